//! The user's own account: password and sessions.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponse as _};
use serde::Deserialize;

use super::fields::{ActionNotice, FormFields, notice_address, tell};
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::{PageResult, draw, draw_refused, go};
use crate::access::{Caller, SESSION, set_cookie};
use crate::context::Context;
use crate::people::{
    Session, Source, begin_session, change_own_password, end_own_session, end_sessions_but, sessions_of, user,
};
use crate::refusal::{Page, Refusal};

struct Row {
    session: Session,
    is_this: bool,
    created: Moment,
    seen: Moment,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    name: String,
    rows: Vec<Row>,
    /// True if the password is stored here.
    is_local: bool,
}

#[derive(Deserialize)]
pub struct Password {
    present: String,
    new: String,
    again: String,
}

fn notice(done: &str) -> Option<&'static str> {
    match done {
        "password" => Some("Your password is changed. Your other sessions and your API keys have ended."),
        "sessions" => Some("Your other sessions have ended."),
        "session" => Some("The session has ended."),
        _ => None,
    }
}

async fn page(context: &Context, caller: &Caller, frame: Frame) -> Result<AccountPage, Refusal> {
    let own = caller.session()?;
    let rows = sessions_of(context, &own.user).await?.into_iter().map(|session| Row {
        is_this: session.id == own.id,
        created: Moment::new(session.created),
        seen: Moment::new(session.seen),
        session,
    });
    let is_local = user(context, &own.user).await?.source == Source::Local;
    Ok(AccountPage { frame, name: own.user.clone(), rows: rows.collect(), is_local })
}

pub async fn show(State(context): State<Context>, caller: Caller, ActionNotice(done): ActionNotice) -> PageResult {
    let frame = Frame::new(&context, &caller, Place::Account, "Your account").with(notice(&done));
    draw(&page(&context, &caller, frame).await?)
}

/// Changes the password. All sessions end with the old password, so the browser gets a new one.
pub async fn password(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
    FormFields(form): FormFields<Password>,
) -> PageResult {
    let name = caller.session()?.user.clone();
    let author = caller.author();
    let changed = if form.new == form.again {
        change_own_password(&context, &author, (&name, caller.address), (&form.present, &form.new)).await
    } else {
        Err(Refusal::Invalid("the two new passwords differ".to_owned()))
    };
    match changed {
        Ok(proven) => {
            let browser = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let secret = begin_session(&context, &author, &proven, (browser, None)).await?;
            let cookie = set_cookie(SESSION, &secret).map(|value| (header::SET_COOKIE, value));
            Ok((AppendHeaders(cookie), go(&notice_address(&secret, "/account", "password"))?).into_response())
        }
        Err(Refusal::Internal(error)) => Err(Page(Refusal::Internal(error))),
        Err(refusal) => {
            let frame = Frame::new(&context, &caller, Place::Account, "Your account").refusing(Some(&refusal));
            draw_refused(&page(&context, &caller, frame).await?, &refusal)
        }
    }
}

pub async fn end_others(State(context): State<Context>, caller: Caller) -> PageResult {
    let own = caller.session()?;
    end_sessions_but(&context, &caller.author(), &own.user, &own.id).await?;
    tell(&caller, "/account", "sessions")
}

pub async fn end_one(State(context): State<Context>, caller: Caller, Path(id): Path<String>) -> PageResult {
    end_own_session(&context, &caller.author(), &caller.session()?.user, &id).await?;
    tell(&caller, "/account", "session")
}
