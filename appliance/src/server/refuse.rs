//! Form of a refusal: a problem document for programs, a page for people.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use landfall_error_codes::codes;

use super::guard::unchecked;
use crate::access::Caller;
use crate::console;
use crate::error::Error;
use crate::refusal::{Refusal, add_advice, log, pending};

/// Renders the page of a refusal that a page's handler returned.
pub async fn draw_refusals(request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().cloned();
    let response = next.run(request).await;
    match (pending(&response), caller) {
        (Some(refusal), Some(caller)) => page(&refusal, &caller),
        _ => response,
    }
}

/// Renders faults outside of handlers: a request that took too long, or one whose handler panicked.
pub async fn draw_faults(request: Request, next: Next) -> Response {
    let (request, caller, audience) = unchecked(request);
    with_code(next.run(request).await, &caller, audience)
}

/// Returns the answer, or one with a code in place of a bare status.
pub fn with_code(response: Response, caller: &Caller, audience: Audience) -> Response {
    if response.headers().contains_key(header::CONTENT_TYPE) {
        return response;
    }
    match response.status() {
        StatusCode::GATEWAY_TIMEOUT => refuse(Refusal::Late, caller, audience),
        StatusCode::INTERNAL_SERVER_ERROR => {
            refuse(Refusal::Internal(Error::new(codes::BUG, "a request panicked")), caller, audience)
        }
        _ => response,
    }
}

/// Audience of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// A program.
    Program,
    /// A page that refreshes part of itself.
    LivePart,
    /// A person who opened a page.
    Reader,
    /// A person who sent a form.
    Sender,
}

/// Returns the answer to a request that the guard refused.
pub fn refuse(refusal: Refusal, caller: &Caller, audience: Audience) -> Response {
    match (audience, refusal) {
        (Audience::Program, refusal) => refusal.into_response(),
        (Audience::Reader, Refusal::SignInNeeded) => Redirect::to("/sign-in").into_response(),
        // The whole page goes to the sign-in, not the part.
        (Audience::LivePart, Refusal::SignInNeeded) => {
            (StatusCode::UNAUTHORIZED, [("hx-redirect", "/sign-in")]).into_response()
        }
        (_, refusal) => page(&refusal, caller),
    }
}

fn page(refusal: &Refusal, caller: &Caller) -> Response {
    log(refusal);
    let mut response = (refusal.status(), console::problem(caller, &refusal.problem())).into_response();
    add_advice(&mut response, refusal);
    response
}
