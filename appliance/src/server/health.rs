//! What probes and programs ask: does the process live, and what works.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use landfall_error_codes::codes;
use serde::Serialize;
use tokio::time::timeout;

use crate::context::Context;
use crate::error::Error;
use crate::host::{Topic, Usage};
use crate::refusal::Refusal;

/// How long metrics wait for what the host says of the license.
const USAGE_PATIENCE: Duration = Duration::from_secs(2);

/// What works and what does not.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Health {
    kind: &'static str,
    schema: u32,
    /// Whether the console can do its work. Without the host it still answers and says so.
    ready: bool,
    version: &'static str,
    started: Timestamp,
    checks: [Check; 2],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    name: &'static str,
    works: bool,
    /// Since when it does not.
    since: Option<Timestamp>,
}

/// `GET /health`: 200 while the database works, 503 otherwise.
pub async fn health(State(context): State<Context>) -> Response {
    let asked: Result<i64, _> = sqlx::query_scalar("SELECT 1").fetch_one(context.database.read()).await;
    let silent = context.site.silent_since();
    let checks = [
        Check { name: "database", works: asked.is_ok(), since: None },
        Check { name: "host", works: silent.is_none(), since: silent },
    ];
    let status = if asked.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let (version, started) = (env!("CARGO_PKG_VERSION"), context.started);
    (status, Json(Health { kind: "health", schema: 1, ready: asked.is_ok(), version, started, checks })).into_response()
}

/// `GET /health/live`: the process answers.
pub async fn live() -> &'static str {
    "live\n"
}

/// `GET /metrics`.
pub async fn metrics(State(context): State<Context>) -> Result<Response, Refusal> {
    let asked = timeout(USAGE_PATIENCE, context.site.read::<Usage>(Topic::Usage)).await;
    let usage = asked.ok().and_then(Result::ok).flatten();
    let answers = context.site.silent_since().is_none();
    let text = context.metrics.text(answers, usage.as_ref(), &context.signing, &context.forward);
    let text = text.map_err(|error| Error::new(codes::BUG, "the metrics cannot be written").because(error))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
