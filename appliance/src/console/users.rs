//! Users, for administrators.

use askama::Template;
use axum::extract::{Path, State};
use serde::Deserialize;

use super::fields::{ActionNotice, FormFields, tell};
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::sources::Sources;
use super::{PageResult, draw, draw_refused, go};
use crate::access::Caller;
use crate::context::Context;
use crate::people::{
    DisablingOrigin, Role, Source, User, create_user, remove_user, sessions_of, set_disabled, set_password, set_role,
    user, users,
};
use crate::refusal::{Page, Refusal};

struct Row {
    user: User,
    created: Moment,
    is_self: bool,
    /// Reason why the user is disabled.
    disabled: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "users.html")]
struct List {
    frame: Frame,
    rows: Vec<Row>,
    roles: [Role; 3],
    name: String,
    sources: Sources,
}

#[derive(Template)]
#[template(path = "user.html")]
struct UserPage {
    frame: Frame,
    user: User,
    created: Moment,
    password_changed: Moment,
    confirmed: Option<Moment>,
    sessions: usize,
    is_self: bool,
    is_local: bool,
    disabled: Option<&'static str>,
    roles: [Role; 3],
}

#[derive(Deserialize)]
pub struct Create {
    name: String,
    role: String,
    password: String,
}

#[derive(Deserialize)]
pub struct NewRole {
    role: String,
}

#[derive(Deserialize)]
pub struct NewPassword {
    password: String,
}

fn notice(done: &str) -> Option<&'static str> {
    match done {
        "created" => {
            Some("The user is created. Hand over the password in person; the user can change it under Your account.")
        }
        "role" => Some("The role is changed."),
        "password" => Some("The password is set. The user's sessions and API keys have ended."),
        "disabled" => Some("The user is disabled: sessions have ended, and API keys do not work."),
        "enabled" => Some("The user may sign in again."),
        "removed" => Some("The user is removed, with sessions and API keys. The audit log keeps what the user did."),
        _ => None,
    }
}

fn disabled_reason(user: &User) -> Option<&'static str> {
    user.disabled.map(|by| match by {
        DisablingOrigin::Here => "disabled",
        DisablingOrigin::Directory => "without a role in the directory",
    })
}

fn role_of(text: &str) -> Result<Role, Refusal> {
    text.parse().map_err(|()| Refusal::Invalid("role: choose viewer, operator or administrator".to_owned()))
}

async fn list_page(context: &Context, caller: &Caller, frame: Frame, name: String) -> Result<List, Refusal> {
    let rows = users(context).await?.into_iter().map(|user| Row {
        created: Moment::new(user.created),
        is_self: caller.user() == Some(&user.name),
        disabled: disabled_reason(&user),
        user,
    });
    Ok(List { frame, rows: rows.collect(), roles: Role::ALL, name, sources: Sources::current(context) })
}

pub async fn list(State(context): State<Context>, caller: Caller, ActionNotice(done): ActionNotice) -> PageResult {
    let frame = Frame::new(&context, &caller, Place::Users, "Users").with(notice(&done));
    draw(&list_page(&context, &caller, frame, String::new()).await?)
}

pub async fn create(
    State(context): State<Context>,
    caller: Caller,
    FormFields(form): FormFields<Create>,
) -> PageResult {
    let created = match role_of(&form.role) {
        Ok(role) => create_user(&context, &caller.author(), &form.name, role, &form.password).await.map(drop),
        Err(refusal) => Err(refusal),
    };
    match created {
        Ok(()) => tell(&caller, "/users", "created"),
        Err(Refusal::Internal(error)) => Err(Page(Refusal::Internal(error))),
        Err(refusal) => {
            let frame = Frame::new(&context, &caller, Place::Users, "Users").refusing(Some(&refusal));
            draw_refused(&list_page(&context, &caller, frame, form.name).await?, &refusal)
        }
    }
}

async fn one_page(context: &Context, caller: &Caller, name: &str, frame: Frame) -> Result<UserPage, Refusal> {
    let user = user(context, name).await?;
    Ok(UserPage {
        frame,
        created: Moment::new(user.created),
        password_changed: Moment::new(user.password_changed),
        confirmed: user.confirmed.map(Moment::new),
        sessions: sessions_of(context, name).await?.len(),
        is_local: user.source == Source::Local,
        disabled: disabled_reason(&user),
        is_self: caller.user() == Some(name),
        roles: Role::ALL,
        user,
    })
}

fn frame_of(context: &Context, caller: &Caller, name: &str) -> Frame {
    Frame::new(context, caller, Place::Users, format!("User {name}"))
}

pub async fn one(
    State(context): State<Context>,
    caller: Caller,
    Path(name): Path<String>,
    ActionNotice(done): ActionNotice,
) -> PageResult {
    let frame = frame_of(&context, &caller, &name).with(notice(&done));
    draw(&one_page(&context, &caller, &name, frame).await?)
}

/// Shows the user's page again after a change, with the notice or the refusal.
async fn after(
    context: &Context,
    caller: &Caller,
    name: &str,
    (changed, done): (Result<(), Refusal>, &str),
) -> PageResult {
    match changed {
        Ok(()) => tell(caller, &format!("/users/{name}"), done),
        Err(refusal @ (Refusal::Internal(_) | Refusal::NotThere(_))) => Err(Page(refusal)),
        Err(refusal) => {
            let frame = frame_of(context, caller, name).refusing(Some(&refusal));
            draw_refused(&one_page(context, caller, name, frame).await?, &refusal)
        }
    }
}

pub async fn role(
    State(context): State<Context>,
    caller: Caller,
    Path(name): Path<String>,
    FormFields(form): FormFields<NewRole>,
) -> PageResult {
    let changed = match role_of(&form.role) {
        Ok(role) => set_role(&context, &caller.author(), &name, role).await.map(drop),
        Err(refusal) => Err(refusal),
    };
    // A user who gave up the role can no longer see the page.
    if changed.is_ok() && caller.user() == Some(&name) && form.role != Role::Administrator.text() {
        return go("/");
    }
    after(&context, &caller, &name, (changed, "role")).await
}

pub async fn password(
    State(context): State<Context>,
    caller: Caller,
    Path(name): Path<String>,
    FormFields(form): FormFields<NewPassword>,
) -> PageResult {
    let changed = set_password(&context, &caller.author(), &name, &form.password).await;
    after(&context, &caller, &name, (changed, "password")).await
}

pub async fn disable(State(context): State<Context>, caller: Caller, Path(name): Path<String>) -> PageResult {
    let changed = set_disabled(&context, &caller.author(), &name, true).await;
    after(&context, &caller, &name, (changed, "disabled")).await
}

pub async fn enable(State(context): State<Context>, caller: Caller, Path(name): Path<String>) -> PageResult {
    let changed = set_disabled(&context, &caller.author(), &name, false).await;
    after(&context, &caller, &name, (changed, "enabled")).await
}

pub async fn remove(State(context): State<Context>, caller: Caller, Path(name): Path<String>) -> PageResult {
    match remove_user(&context, &caller.author(), &name).await {
        Ok(()) => tell(&caller, "/users", "removed"),
        refused => after(&context, &caller, &name, (refused, "removed")).await,
    }
}
