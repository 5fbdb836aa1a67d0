//! API keys.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Body;
use super::people::{List, list as list_of};
use crate::access::Caller;
use crate::context::Context;
use crate::people::{Key, NewKey, keys, make_key, remove_key};
use crate::refusal::Refusal;

#[derive(Serialize)]
pub struct KeyItem {
    id: String,
    label: String,
    user: String,
    scopes: Vec<&'static str>,
    created: Timestamp,
    ends: Timestamp,
    used: Option<Timestamp>,
    /// The key itself, in the answer to its creation alone.
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    label: String,
    scopes: Vec<String>,
    days: i64,
}

pub async fn list(State(context): State<Context>) -> Result<Json<List<KeyItem>>, Refusal> {
    let all = keys(&context).await?.into_iter();
    Ok(list_of("keys", all.map(|key| KeyItem::new(key, None)).collect()))
}

/// Makes a key for the caller's own user.
pub async fn create(
    State(context): State<Context>,
    caller: Caller,
    Body(wish): Body<Create>,
) -> Result<(StatusCode, Json<KeyItem>), Refusal> {
    let scopes = wish.scopes.iter().map(|scope| scope.parse()).collect::<Result<_, _>>()?;
    let new = NewKey { label: wish.label, scopes, days: wish.days };
    let (key, text) = make_key(&context, &caller.author(), &caller.session()?.user, new).await?;
    Ok((StatusCode::CREATED, Json(KeyItem::new(key, Some(text)))))
}

pub async fn remove(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    remove_key(&context, &caller.author(), &id).await.map(|()| StatusCode::NO_CONTENT)
}
