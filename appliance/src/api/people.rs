//! Users and sessions.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Body;
use crate::access::Caller;
use crate::context::Context;
use crate::people::{Role, Session, User, all_sessions, change_user, create_user, end_session, remove_user, users};
use crate::refusal::Refusal;

/// A list with its kind.
#[derive(Serialize)]
pub struct List<T> {
    kind: &'static str,
    schema: u32,
    items: Vec<T>,
}

/// A list of the first form.
pub fn list<T>(kind: &'static str, items: Vec<T>) -> Json<List<T>> {
    Json(List { kind, schema: 1, items })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserItem {
    name: String,
    role: Role,
    created: Timestamp,
    password_changed: Timestamp,
}

impl From<User> for UserItem {
    fn from(User { name, role, created, password_changed }: User) -> Self {
        Self { name, role, created, password_changed }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionItem {
    id: String,
    user: String,
    created: Timestamp,
    seen: Timestamp,
    ends: Timestamp,
    address: String,
    browser: String,
}

impl From<Session> for SessionItem {
    fn from(session: Session) -> Self {
        let Session { id, user, role: _, created, seen, ends, address, browser } = session;
        Self { id, user, created, seen, ends, address, browser }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    name: String,
    role: Role,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    role: Option<Role>,
    password: Option<String>,
}

pub async fn list_users(State(context): State<Context>) -> Result<Json<List<UserItem>>, Refusal> {
    Ok(list("users", users(&context).await?.into_iter().map(UserItem::from).collect()))
}

pub async fn create(
    State(context): State<Context>,
    caller: Caller,
    Body(wish): Body<Create>,
) -> Result<(StatusCode, Json<UserItem>), Refusal> {
    let made = create_user(&context, &caller.author(), &wish.name, wish.role, &wish.password).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Changes the role, the password, or both at once.
pub async fn change(
    State(context): State<Context>,
    caller: Caller,
    Path(name): Path<String>,
    Body(wish): Body<Change>,
) -> Result<StatusCode, Refusal> {
    if wish.role.is_none() && wish.password.is_none() {
        return Err(Refusal::Invalid("give role, password or both".to_owned()));
    }
    change_user(&context, &caller.author(), &name, (wish.role, wish.password.as_deref())).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn remove(
    State(context): State<Context>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    remove_user(&context, &caller.author(), &name).await.map(|()| StatusCode::NO_CONTENT)
}

pub async fn list_sessions(State(context): State<Context>) -> Result<Json<List<SessionItem>>, Refusal> {
    Ok(list("sessions", all_sessions(&context).await?.into_iter().map(SessionItem::from).collect()))
}

pub async fn end(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    end_session(&context, &caller.author(), &id).await.map(|()| StatusCode::NO_CONTENT)
}
