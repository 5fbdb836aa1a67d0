//! Sign-in, sign-out, and the first administrator.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use serde::Deserialize;

use super::fields::{FormFields, QueryParameters};
use super::frame::{Frame, Place};
use super::{PageResult, draw, draw_refused, go};
use crate::access::{Caller, FORM, SESSION, cookie, set_cookie, unset_cookie};
use crate::context::Context;
use crate::people::{
    ProvenUser, Secret, Source, any_user, begin_session, end_own_session, make_administrator, sign_in as check, user,
};
use crate::refusal::{Page, Refusal};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    name: String,
    /// True if there is no user yet.
    is_new: bool,
    /// Name of the identity provider on its button.
    provider: Option<String>,
    /// True if names and passwords of a directory are also accepted.
    has_server: bool,
    /// True if this browser has just signed out, and may still be signed in at the provider.
    has_left: bool,
}

/// Texts of the sign-in page next to its form.
#[derive(Deserialize)]
pub struct SignInQuery {
    #[serde(default)]
    left: String,
}

#[derive(Template)]
#[template(path = "first.html")]
struct FirstPage {
    frame: Frame,
    name: String,
    is_new: bool,
}

#[derive(Deserialize)]
pub struct SignIn {
    name: String,
    password: String,
}

#[derive(Deserialize)]
pub struct First {
    token: String,
    name: String,
    password: String,
    again: String,
}

/// Gives a browser a form secret, if it has none yet.
fn with_form_secret(mut caller: Caller) -> Result<(Caller, Option<Secret>), Page> {
    if caller.form_secret.is_some() {
        return Ok((caller, None));
    }
    let secret = Secret::random()?;
    caller.form_secret = Some(secret.clone());
    Ok((caller, Some(secret)))
}

fn with_cookie(page: Response, secret: Option<&Secret>) -> Response {
    let cookie = secret.and_then(|secret| set_cookie(FORM, secret));
    (AppendHeaders(cookie.map(|value| (header::SET_COOKIE, value))), page).into_response()
}

fn sign_in_page(context: &Context, frame: Frame, name: String) -> SignInPage {
    let state = context.directory.now();
    let provider = state.oidc().map(|provider| provider.settings().label.clone());
    SignInPage { frame, name, is_new: false, provider, has_server: state.ldap().is_some(), has_left: false }
}

pub async fn show(
    State(context): State<Context>,
    caller: Caller,
    QueryParameters(SignInQuery { left }): QueryParameters<SignInQuery>,
) -> PageResult {
    if caller.user().is_some() {
        return go("/");
    }
    let (caller, secret) = with_form_secret(caller)?;
    let is_new = !any_user(&context).await?;
    let frame = Frame::new(&context, &caller, Place::None, "Sign in");
    let page = sign_in_page(&context, frame, String::new());
    let has_left = left == "provider" && page.provider.is_some();
    let page = draw(&SignInPage { is_new, has_left, ..page })?;
    Ok(with_cookie(page, secret.as_ref()))
}

pub async fn sign_in(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
    FormFields(form): FormFields<SignIn>,
) -> PageResult {
    // Another tab has signed in since. A person who names another user wants to become that user, and must prove it.
    if caller.user().is_some_and(|user| user == form.name.trim().to_lowercase()) {
        return go("/");
    }
    let proven = match check(&context, &caller.author(), (&form.name, caller.address), &form.password).await {
        Ok(proven) => proven,
        Err(Refusal::Internal(error)) => return Err(Page(Refusal::Internal(error))),
        Err(refusal) => {
            let frame = Frame::new(&context, &caller, Place::None, "Sign in").refusing(Some(&refusal));
            return draw_refused(&sign_in_page(&context, frame, form.name), &refusal);
        }
    };
    enter(&context, caller, &headers, &proven).await
}

/// Begins a session, and redirects to the overview.
async fn enter(context: &Context, caller: Caller, headers: &HeaderMap, proven: &ProvenUser) -> PageResult {
    let browser = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let before = cookie(headers, SESSION);
    let mut author = caller.author();
    proven.name().clone_into(&mut author.name);
    let secret = begin_session(context, &author, proven, (browser, before.as_ref())).await?;
    // The form secret from before the sign-in stays: another tab may still show such a form, and it permits nothing
    // else.
    let cookie = set_cookie(SESSION, &secret).map(|value| (header::SET_COOKIE, value));
    Ok((AppendHeaders(cookie), go("/")?).into_response())
}

pub async fn show_first(State(context): State<Context>, caller: Caller) -> PageResult {
    let (caller, secret) = with_form_secret(caller)?;
    let is_new = !any_user(&context).await?;
    let frame = Frame::new(&context, &caller, Place::None, "Set up an administrator");
    let page = draw(&FirstPage { frame, name: String::new(), is_new })?;
    Ok(with_cookie(page, secret.as_ref()))
}

pub async fn first(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
    FormFields(form): FormFields<First>,
) -> PageResult {
    let made = if form.password == form.again {
        make_administrator(&context, &caller.author(), (&form.token, caller.address), (&form.name, &form.password))
            .await
    } else {
        Err(Refusal::Invalid("the two passwords differ".to_owned()))
    };
    match made {
        Ok(proven) => enter(&context, caller, &headers, &proven).await,
        Err(Refusal::Internal(error)) => Err(Page(Refusal::Internal(error))),
        Err(refusal) => {
            let is_new = !any_user(&context).await?;
            let frame = Frame::new(&context, &caller, Place::None, "Set up an administrator").refusing(Some(&refusal));
            draw_refused(&FirstPage { frame, name: form.name, is_new }, &refusal)
        }
    }
}

pub async fn sign_out(State(context): State<Context>, caller: Caller) -> PageResult {
    let session = caller.session()?;
    let user = user(&context, &session.user).await?;
    end_own_session(&context, &caller.author(), &session.user, &session.id).await?;
    let cookie = unset_cookie(SESSION).map(|value| (header::SET_COOKIE, value));
    let place = if user.source == Source::Oidc { "/sign-in?left=provider" } else { "/sign-in" };
    Ok((AppendHeaders(cookie), go(place)?).into_response())
}
