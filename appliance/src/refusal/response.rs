//! Answer to a refused request: a problem document, or a refusal that waits for its page.

use std::sync::{Arc, Mutex};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use landfall_error_codes::CodedError as _;

use super::Refusal;

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
struct PendingRefusal(Arc<Mutex<Option<Refusal>>>);

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = self.0.status().into_response();
        response.extensions_mut().insert(PendingRefusal(Arc::new(Some(self.0).into())));
        response
    }
}

/// Takes the refusal out of a page's answer, if it has one.
pub fn pending(response: &Response) -> Option<Refusal> {
    let pending = response.extensions().get::<PendingRefusal>().cloned();
    pending.and_then(|pending| pending.0.lock().ok().and_then(|mut refusal| refusal.take()))
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
pub fn log(refusal: &Refusal) {
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
