//! Answers, and problems as answers (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use landfall_peer::{Problem, routes};
use serde::Serialize;

/// Result of a route.
pub(crate) type Result<T> = std::result::Result<T, RefusedRequest>;

/// Refusal of a request.
pub(crate) struct RefusedRequest(pub(crate) Problem);

impl From<Problem> for RefusedRequest {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl RefusedRequest {
    /// Creates a problem that the API itself found.
    pub(crate) fn new(status: StatusCode, title: &str) -> Self {
        Self(Problem { status: status.as_u16(), title: title.to_owned(), detail: None, code: None, hint: None })
    }
}

impl IntoResponse for RefusedRequest {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, json(&self.0)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(routes::PROBLEM));
        response
    }
}

/// Returns a printed document as a response.
pub(crate) fn document(json: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response()
}

/// Encodes a value as JSON. A value that cannot be encoded yields an empty object, but none of ours is such a value.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}
