//! Redirects to an identity provider and back. Both are navigations of the browser. The form policy would refuse a
//! redirect as the answer to a form, so the way to the provider is a link.

use std::time::Instant;

use askama::Template;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponse as _, Redirect};

use super::fields::QueryParameters;
use super::frame::{Frame, Place};
use super::{PageResult, draw, go};
use crate::access::{Caller, DEPARTED, SESSION, cookie, peer, set_cookie, set_departed, unset_cookie};
use crate::audit::Event;
use crate::context::Context;
use crate::directory::{CallbackParameters, DirectoryError, Errand, Provider, VouchedUser};
use crate::people::{Person, ProvenUser, Secret, Source, admit, begin_session, prove_session, record_failure};
use crate::refusal::Refusal;

/// A page that redirects automatically.
#[derive(Template)]
#[template(path = "entered.html")]
struct SignedInPage {
    frame: Frame,
}

/// End of a proof that another tab waits for.
#[derive(Template)]
#[template(path = "proven.html")]
struct ProvenPage {
    frame: Frame,
}

fn no_provider() -> Refusal {
    Refusal::NotThere("identity provider".to_owned())
}

/// Redirects a browser to the provider.
pub async fn begin(State(context): State<Context>, caller: Caller, parts: Parts) -> PageResult {
    if caller.user().is_some() {
        return go("/");
    }
    depart(&context, &caller, &parts, Errand::Enter).await
}

/// Redirects a browser to the provider for a new authentication: the session stays, with a renewed proof.
pub async fn begin_again(State(context): State<Context>, caller: Caller, parts: Parts) -> PageResult {
    let own = caller.session()?;
    if own.source != Source::Oidc {
        return go("/account");
    }
    let errand = Errand::Prove { session: own.id.clone(), user: own.user.clone() };
    depart(&context, &caller, &parts, errand).await
}

async fn depart(context: &Context, caller: &Caller, parts: &Parts, errand: Errand) -> PageResult {
    let state = context.directory.now();
    let provider = state.oidc().ok_or_else(no_provider)?;
    let ingress = context.ingress.state();
    refuse_other_origin(provider, ingress.host(peer(parts), &parts.headers))?;
    let wait = context.throttle.depart(caller.address, Instant::now());
    wait.map_err(|left| Refusal::TooManyAttempts(left.as_secs() + 1))?;
    let secret = Secret::random()?;
    let place = match &errand {
        Errand::Enter => provider.begin(&secret).await,
        Errand::Prove { .. } => provider.begin_again(&secret).await,
    };
    let place = place.map_err(Refusal::from)?;
    context.directory.pending.add(&secret, errand);
    let cookie = set_departed(&secret).map(|value| (header::SET_COOKIE, value));
    Ok((AppendHeaders(cookie), Redirect::to(place.as_str())).into_response())
}

/// Returns an error for another origin: the provider redirects to one origin, and the cookie of another one would not
/// be sent. `host` is the console's host name in the browser.
fn refuse_other_origin(provider: &Provider, host: Option<&str>) -> Result<(), Refusal> {
    let own = &provider.settings().console;
    if *own == format!("https://{}", host.unwrap_or_default().to_lowercase()) {
        return Ok(());
    }
    Err(Refusal::Directory(format!("open the console at {own}, where the provider leads back to")))
}

/// Signs in the user for whom the provider vouches. The browser's cookie is valid once, whatever the result.
pub async fn end_at_console(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
    QueryParameters(returned): QueryParameters<CallbackParameters>,
) -> PageResult {
    let state = context.directory.now();
    let provider = state.oidc().ok_or_else(no_provider)?;
    let (errand, proven) = prove(&context, &caller, provider, (&headers, &returned)).await?;
    if let Errand::Prove { session, user } = errand {
        return end_proof(&context, &caller, (&session, &user), &proven).await;
    }
    let browser = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut author = caller.author();
    proven.name().clone_into(&mut author.name);
    let secret = begin_session(&context, &author, &proven, (browser, cookie(&headers, SESSION).as_ref())).await?;
    let cookies = [set_cookie(SESSION, &secret), unset_cookie(DEPARTED)].into_iter().flatten();
    let cookies: Vec<_> = cookies.map(|value| (header::SET_COOKIE, value)).collect();
    // A redirect would still be part of the navigation from the provider, with which browsers send no session cookie.
    let page = draw(&SignedInPage { frame: Frame::bare(&caller, Place::None, "Signed in") })?;
    Ok((AppendHeaders(cookies), page).into_response())
}

/// Records that the returning person is the user of the session that went there. The browser sends no session cookie on
/// this way.
async fn end_proof(
    context: &Context,
    caller: &Caller,
    (session, user): (&str, &str),
    proven: &ProvenUser,
) -> PageResult {
    if proven.name() != user {
        let why = format!("the session is of {user}, and {} has signed in at the provider", proven.name());
        return Err(Refusal::Directory(why).into());
    }
    let mut author = caller.author();
    user.clone_into(&mut author.name);
    prove_session(context, &author, session, proven).await?;
    let cookie = unset_cookie(DEPARTED).map(|value| (header::SET_COOKIE, value));
    let page = draw(&ProvenPage { frame: Frame::bare(caller, Place::None, "It is you") })?;
    Ok((AppendHeaders(cookie), page).into_response())
}

async fn prove(
    context: &Context,
    caller: &Caller,
    provider: &Provider,
    (headers, returned): (&HeaderMap, &CallbackParameters),
) -> Result<(Errand, ProvenUser), Refusal> {
    let author = caller.author();
    let vouched = finish(context, provider, (headers, returned)).await;
    let (errand, vouched) = match vouched {
        Ok(vouched) => vouched,
        Err(error) => {
            context.metrics.signed_in(false);
            let why = error.to_string();
            record_failure(context, &author, Event::refused("session.begin", "-", &why)).await?;
            return Err(error.into());
        }
    };
    let settings = provider.settings();
    let role = settings.roles.highest(&vouched.groups, |own, group| own == group);
    let subject = format!("{} {}", settings.issuer, vouched.subject);
    let directory = settings.issuer.clone();
    let person = Person { source: Source::Oidc, subject, name: vouched.name, role, directory };
    Ok((errand, admit(context, &author, &person).await?))
}

/// Returns the user for whom the provider vouches, and the purpose of the browser's visit.
async fn finish(
    context: &Context,
    provider: &Provider,
    (headers, returned): (&HeaderMap, &CallbackParameters),
) -> Result<(Errand, VouchedUser), DirectoryError> {
    let begun = cookie(headers, DEPARTED).and_then(|secret| Some((context.directory.pending.take(&secret)?, secret)));
    let not_begun = || DirectoryError::refused("this browser has not begun a sign-in, or not within ten minutes");
    let ((errand, age), secret) = begun.ok_or_else(not_begun)?;
    let vouched = provider.finish(&secret, returned).await?;
    if errand != Errand::Enter {
        vouched.be_newer_than(age)?;
    }
    Ok((errand, vouched))
}

/// Redirects a browser to the end of its session at the provider.
pub async fn end_at_provider(State(context): State<Context>) -> PageResult {
    let state = context.directory.now();
    let provider = state.oidc().ok_or_else(no_provider)?;
    match provider.end().await.map_err(Refusal::from)? {
        Some(place) => Ok(Redirect::to(place.as_str()).into_response()),
        None => go("/sign-in"),
    }
}
