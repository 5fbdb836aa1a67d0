//! A request names its host, once. One that names two is read in one way by a proxy and in another one behind it (RFC 9112, section 3.2).

use axum::extract::Request;
use axum::http::{StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// A layer that refuses a request of HTTP/1.1 without a host, and any with several, with 400.
pub async fn one_host(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    let is_sound = hosts == 1 || (hosts == 0 && request.version() < Version::HTTP_11);
    if is_sound { next.run(request).await } else { refuse() }
}

fn refuse() -> Response {
    (StatusCode::BAD_REQUEST, "Send exactly one Host header.\n").into_response()
}
