//! API keys.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Body;
use super::people::{List, list as list_of};
use crate::access::Caller;
use crate::context::Context;
use crate::people::{Key, NewKey, keys, make_key, remove_key};
use crate::refusal::Refusal;

/// API key.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Key")]
pub struct KeyItem {
    /// ID of the key in a request that removes it.
    id: String,
    /// Program that uses the key.
    label: String,
    /// Name of the key's user.
    user: String,
    /// Scopes that the key permits.
    scopes: Vec<&'static str>,
    /// Time of its creation.
    created: Timestamp,
    /// Time at which the key expires.
    ends: Timestamp,
    /// Time of its last use.
    used: Option<Timestamp>,
    /// The key itself, only in the answer to its creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl KeyItem {
    fn new(key: Key, text: Option<String>) -> Self {
        let Key { id, label, user, role: _, scopes, created, ends, used } = key;
        let scopes = scopes.into_iter().map(crate::people::Scope::text).collect();
        Self { id, label, user, scopes, created, ends, used, key: text }
    }
}

/// API key to be created.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewKey")]
pub struct Create {
    /// Program that will use the key, in at most 64 characters.
    #[schemars(length(min = 1, max = 64))]
    label: String,
    /// Scopes to permit: `read`, `backup`, `upgrade`, `license`, `people`, `audit`, `metrics`, `support`.
    #[schemars(length(min = 1))]
    scopes: Vec<String>,
    /// Validity in days, at most 400.
    #[schemars(range(min = 1, max = 400))]
    days: i64,
}

/// List API keys of all users
///
/// The list does not contain the keys themselves.
#[utoipa::path(
    get,
    path = "/api/v1/keys",
    operation_id = "listKeys",
    tag = "people",
    responses(
        (status = 200, description = "all API keys", body = ref("#/components/schemas/KeyList")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn list(State(context): State<Context>) -> Result<Json<List<KeyItem>>, Refusal> {
    let all = keys(&context).await?.into_iter();
    Ok(list_of("keys", all.map(|key| KeyItem::new(key, None)).collect()))
}

/// Create an API key
///
/// The key belongs to the caller's user. Only this answer contains the key itself.
#[utoipa::path(
    post,
    path = "/api/v1/keys",
    operation_id = "createKey",
    tag = "people",
    request_body(content = ref("#/components/schemas/NewKey"), description = "what the key permits",
        content_type = "application/json"),
    responses(
        (status = 201, description = "the API key", body = ref("#/components/schemas/Key")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn create(
    State(context): State<Context>,
    caller: Caller,
    Body(request): Body<Create>,
) -> Result<(StatusCode, Json<KeyItem>), Refusal> {
    let scopes = request.scopes.iter().map(|scope| scope.parse()).collect::<Result<_, _>>()?;
    let new = NewKey { label: request.label, scopes, days: request.days };
    let (key, text) = make_key(&context, &caller.author(), &caller.session()?.user, new).await?;
    Ok((StatusCode::CREATED, Json(KeyItem::new(key, Some(text)))))
}

/// Remove an API key
///
/// The key stops working immediately.
#[utoipa::path(
    delete,
    path = "/api/v1/keys/{id}",
    operation_id = "removeKey",
    tag = "people",
    params(("id" = String, Path, description = "id of the API key")),
    responses(
        (status = 204, description = "the API key is removed"),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn remove(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    remove_key(&context, &caller.author(), &id).await.map(|()| StatusCode::NO_CONTENT)
}
