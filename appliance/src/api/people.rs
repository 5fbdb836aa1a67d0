//! Users and sessions.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Body;
use crate::access::Caller;
use crate::context::Context;
use crate::people::{
    LEAST_CHARACTERS, MOST_BYTES, Role, Session, Source, User, UserChange, all_sessions, change_user, create_user,
    end_session, prove_again, remove_user, users,
};
use crate::refusal::Refusal;

/// List with its kind.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub struct List<T> {
    /// Kind of the entries.
    kind: &'static str,
    /// Version of the form, which changes when a field changes its meaning.
    schema: u32,
    /// Entries of the list.
    items: Vec<T>,
}

/// Creates a list with version 1 of the form.
pub fn list<T>(kind: &'static str, items: Vec<T>) -> Json<List<T>> {
    Json(List { kind, schema: 1, items })
}

/// User of the console.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "User")]
pub struct UserItem {
    /// Name with which the user signs in.
    name: String,
    /// Role of the user.
    role: Role,
    /// Time of the user's creation.
    created: Timestamp,
    /// Time of the last password change; for a user from a directory, equal to `created`.
    password_changed: Timestamp,
    /// Source of the user. Role and password of a user from a directory cannot be changed here.
    source: Source,
    /// True if an administrator disabled the user, or if no group of the user has a role in the directory.
    disabled: bool,
    /// Time at which the directory last vouched for the user.
    confirmed: Option<Timestamp>,
}

impl From<User> for UserItem {
    fn from(User { name, role, created, password_changed, source, disabled, confirmed }: User) -> Self {
        Self { name, role, created, password_changed, source, disabled: disabled.is_some(), confirmed }
    }
}

/// Session of a user.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Session")]
pub struct SessionItem {
    /// ID of the session in a request that ends it.
    id: String,
    /// Name of the user.
    user: String,
    /// Time of the sign-in.
    created: Timestamp,
    /// Time of the session's last use.
    seen: Timestamp,
    /// Time at which the session ends at the latest.
    ends: Timestamp,
    /// Address from which the user signed in.
    address: String,
    /// Browser's description of itself.
    browser: String,
}

impl From<Session> for SessionItem {
    fn from(session: Session) -> Self {
        let Session { id, user, role: _, source: _, created, seen, ends, proven: _, address, browser } = session;
        Self { id, user, created, seen, ends, address, browser }
    }
}

/// User to be created.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewUser")]
pub struct Create {
    /// Name for sign-in: letters, digits, dots, dashes, underscores and @.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"))]
    name: String,
    /// Role of the user.
    role: Role,
    /// Password: at least 12 characters, and not easy to guess.
    #[schemars(length(min = LEAST_CHARACTERS, max = MOST_BYTES))]
    password: String,
}

/// Changes of a user: at least one field is required.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UserChange")]
pub struct Change {
    /// New role of the user.
    role: Option<Role>,
    /// New password: at least 12 characters, and not easy to guess.
    #[schemars(length(min = LEAST_CHARACTERS, max = MOST_BYTES))]
    password: Option<String>,
    /// True to disable the user: sessions end, keys do not work, and no directory lets the user in.
    disabled: Option<bool>,
}

/// List users
#[utoipa::path(
    get,
    path = "/api/v1/users",
    operation_id = "listUsers",
    tag = "people",
    responses(
        (status = 200, description = "all users", body = ref("#/components/schemas/UserList")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn list_users(State(context): State<Context>) -> Result<Json<List<UserItem>>, Refusal> {
    Ok(list("users", users(&context).await?.into_iter().map(UserItem::from).collect()))
}

/// Create a user
#[utoipa::path(
    post,
    path = "/api/v1/users",
    operation_id = "createUser",
    tag = "people",
    request_body(content = ref("#/components/schemas/NewUser"), description = "the user",
        content_type = "application/json"),
    responses(
        (status = 201, description = "the user", body = ref("#/components/schemas/User")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn create(
    State(context): State<Context>,
    caller: Caller,
    Body(request): Body<Create>,
) -> Result<(StatusCode, Json<UserItem>), Refusal> {
    let made = create_user(&context, &caller.author(), &request.name, request.role, &request.password).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Change a user
///
/// Changes the role, the password, whether the user is disabled, or several of these. A new password ends the user's
/// sessions.
///
/// Role and password of a user from a directory can be changed only there (LF5031).
#[utoipa::path(
    patch,
    path = "/api/v1/users/{name}",
    operation_id = "changeUser",
    tag = "people",
    params(("name" = String, Path, description = "name of the user")),
    request_body(content = ref("#/components/schemas/UserChange"), description = "what changes",
        content_type = "application/json"),
    responses(
        (status = 204, description = "the user is changed"),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn change(
    State(context): State<Context>,
    caller: Caller,
    Path(name): Path<String>,
    Body(request): Body<Change>,
) -> Result<StatusCode, Refusal> {
    let change = UserChange { role: request.role, password: request.password.as_deref(), disabled: request.disabled };
    if change.role.is_none() && change.password.is_none() && change.disabled.is_none() {
        return Err(Refusal::Invalid("give role, password, disabled or several of them".to_owned()));
    }
    change_user(&context, &caller.author(), &name, change).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a user
///
/// The user's sessions and API keys are removed as well. The last administrator cannot be removed (LF5027).
#[utoipa::path(
    delete,
    path = "/api/v1/users/{name}",
    operation_id = "removeUser",
    tag = "people",
    params(("name" = String, Path, description = "name of the user")),
    responses(
        (status = 204, description = "the user is removed"),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn remove(
    State(context): State<Context>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    remove_user(&context, &caller.author(), &name).await.map(|()| StatusCode::NO_CONTENT)
}

/// Proof that the person at a session's browser is its user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "OwnPassword")]
pub struct Proof {
    /// Password with which the caller signs in.
    #[schemars(length(min = 1, max = MOST_BYTES))]
    own_password: String,
}

/// Prove that it is you
///
/// A session needs a proof, at most 15 minutes old, to create, change or remove users and API keys (LF5068). API keys
/// need none: the scope `people` permits the changes of users. Wrong passwords count like those of a sign-in. Users
/// from an identity provider open `/sign-in/directory/again` instead.
#[utoipa::path(
    post,
    path = "/api/v1/session/proof",
    operation_id = "proveSession",
    tag = "people",
    request_body(content = ref("#/components/schemas/OwnPassword"), description = "the caller's own password",
        content_type = "application/json"),
    responses(
        (status = 204, description = "it counts for 15 minutes"),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn prove(
    State(context): State<Context>,
    caller: Caller,
    Body(proof): Body<Proof>,
) -> Result<StatusCode, Refusal> {
    let by = (caller.session()?, caller.address);
    prove_again(&context, &caller.author(), by, &proof.own_password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List sessions of all users
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
    operation_id = "listSessions",
    tag = "people",
    responses(
        (status = 200, description = "all sessions", body = ref("#/components/schemas/SessionList")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn list_sessions(State(context): State<Context>) -> Result<Json<List<SessionItem>>, Refusal> {
    Ok(list("sessions", all_sessions(&context).await?.into_iter().map(SessionItem::from).collect()))
}

/// End a session
#[utoipa::path(
    delete,
    path = "/api/v1/sessions/{id}",
    operation_id = "endSession",
    tag = "people",
    params(("id" = String, Path, description = "id of the session")),
    responses(
        (status = 204, description = "the session has ended"),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn end(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    end_session(&context, &caller.author(), &id).await.map(|()| StatusCode::NO_CONTENT)
}
