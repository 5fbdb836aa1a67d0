//! Check that a request names its host exactly once. A proxy and the server behind it may interpret a request with two
//! hosts differently (RFC 9112, section 3.2).

use axum::extract::Request;
use axum::http::{StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// Middleware that rejects an HTTP/1.1 request without a host, and any request with several, with 400.
pub async fn one_host(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    let is_sound = hosts == 1 || (hosts == 0 && request.version() < Version::HTTP_11);
    if is_sound { next.run(request).await } else { refuse() }
}

fn refuse() -> Response {
    (StatusCode::BAD_REQUEST, "Send exactly one Host header.\n").into_response()
}
