//! Form of a refusal: a problem document for programs, a page for people.

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use landfall_error_codes::{Coded as _, codes};

use crate::access::{Caller, stranger};
use crate::console;
use crate::error::Error;
use crate::refusal::Refusal;

/// Media type of RFC 9457.
const PROBLEM: &str = "application/problem+json";

/// A refusal by a page's handler.
pub struct Page(pub Refusal);

impl<E: Into<Refusal>> From<E> for Page {
    fn from(refusal: E) -> Self {
        Self(refusal.into())
    }
}

/// A refusal returned by a handler, for the layer that knows its audience.
#[derive(Clone)]
struct Pending(std::sync::Arc<std::sync::Mutex<Option<Refusal>>>);

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = self.0.status().into_response();
        response.extensions_mut().insert(Pending(std::sync::Arc::new(Some(self.0).into())));
        response
    }
}

/// Renders the page of a refusal that a page's handler returned.
pub async fn draw_refusals(request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().cloned();
    let response = next.run(request).await;
    let pending = response.extensions().get::<Pending>().cloned();
    let refusal = pending.and_then(|pending| pending.0.lock().ok().and_then(|mut refusal| refusal.take()));
    match (refusal, caller) {
        (Some(refusal), Some(caller)) => page(&refusal, &caller),
        _ => response,
    }
}

/// Renders faults outside of handlers: a request that took too long, or one whose handler panicked.
pub async fn draw_faults(request: Request, next: Next) -> Response {
    let (request, caller, audience) = stranger(request);
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

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        log(&self);
        let problem = self.problem();
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (self.status(), [(header::CONTENT_TYPE, PROBLEM)], body).into_response();
        add_advice(&mut response, &self);
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Logs a fault of the appliance, once; the answer only states that there was one.
fn log(refusal: &Refusal) {
    if let Refusal::Internal(error) = refusal {
        let mut causes = Vec::new();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            causes.push(inner.to_string());
            cause = inner.source();
        }
        tracing::error!(code = error.code().id, %error, causes = causes.join(": "), "a request failed");
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

/// Adds headers for the client's program, whatever the audience.
pub fn add_advice(response: &mut Response, refusal: &Refusal) {
    match refusal {
        Refusal::TooManyAttempts(seconds) => {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
        }
        Refusal::Method(allowed) => allow(response, allowed),
        _ => {}
    }
}

/// Adds the supported methods to the refusal of a method (RFC 9110, section 15.5.6).
fn allow(response: &mut Response, methods: &str) {
    if let Ok(methods) = HeaderValue::from_str(methods) {
        response.headers_mut().insert(header::ALLOW, methods);
    }
}
