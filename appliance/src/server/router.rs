//! Routes of the console, and the layers around every request, outermost last.

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use landfall_peer::read_rest;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tracing::Instrument as _;

use super::guard::guard;
use super::{headers, health, refuse};
use crate::context::Context;
use crate::metrics::known;
use crate::{api, console};

/// Time limit of a request. Waits for the host's answers are shorter.
const PATIENCE: Duration = Duration::from_secs(40);

/// Maximum length of a path in the log, in characters.
const LOGGED: usize = 200;

/// Returns the router of the console.
pub fn router(context: Context) -> Router {
    Router::new()
        .route("/health", get(health::health))
        .route("/health/live", get(health::live))
        .route("/metrics", get(health::metrics))
        .route("/assets/{name}", get(console::asset))
        .route("/handbook", get(console::handbook::begin))
        .route("/handbook/{*name}", get(console::handbook::file))
        .merge(console::routes())
        .merge(api::routes())
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(from_fn(refuse::draw_refusals))
        .layer(from_fn_with_state(context.clone(), guard))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, PATIENCE))
        .layer(CatchPanicLayer::custom(panic_response))
        .layer(from_fn(refuse::draw_faults))
        .layer(from_fn_with_state(context.clone(), observe))
        .layer(from_fn(headers::add_headers))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(from_fn(forget_foreign_id))
        .layer(from_fn(read_rest))
        .with_state(context)
}

/// Removes a request ID from outside: the console sets its own, because a sender must not control the logs.
async fn forget_foreign_id(mut request: Request, next: Next) -> Response {
    request.headers_mut().remove("x-request-id");
    next.run(request).await
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that the layer calls")]
fn panic_response(reason: Box<dyn std::any::Any + Send>) -> Response {
    let text = reason.downcast_ref::<&str>().copied().or_else(|| reason.downcast_ref::<String>().map(String::as_str));
    tracing::error!(reason = text.unwrap_or("unknown"), "a request panicked");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// Logs and counts each request. Queries, bodies, cookies and keys are never logged.
async fn observe(State(context): State<Context>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
    let path: String = request.uri().path().chars().take(LOGGED).collect();
    let span = tracing::info_span!("request", id, method = known(&method), path);
    async move {
        let mut response = next.run(request).await;
        if route.starts_with("/live/") {
            // A page that reported a silent host learns from its live part when the host answers again.
            let answers = if context.site.silent_since().is_none() { "true" } else { "false" };
            response.headers_mut().insert("x-host-answers", HeaderValue::from_static(answers));
        }
        let (status, took) = (response.status().as_u16(), started.elapsed());
        context.metrics.answered(&method, &route, status, took);
        let is_quiet = ["/health", "/live/", "/assets/", "/handbook"].iter().any(|quiet| route.starts_with(quiet));
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if is_quiet && status < 500 {
            tracing::debug!(status, duration_ms, "answered");
        } else {
            tracing::info!(status, duration_ms, "answered");
        }
        response
    }
    .instrument(span)
    .await
}
