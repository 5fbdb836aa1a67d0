//! What probes and programs ask: does the process live, and what works.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use landfall_error_codes::codes;
use prometheus_client::encoding::text::encode_eof;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::site_metrics;
use crate::context::Context;
use crate::database::query_scalar;
use crate::error::Error;
use crate::host::{History, Status, Topic, Usage};
use crate::refusal::Refusal;
use crate::task::spawn_for_request;

/// How long metrics wait for what the host says: less than a scrape, which gives up after 10 s.
const PATIENCE: Duration = Duration::from_secs(8);

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
    let asked: Result<i64, _> = query_scalar("SELECT CAST(1 AS BIGINT)").fetch_one(context.database.read()).await;
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

/// `GET /metrics`: what the console counts, then what the host reports. What the host does not report in time is left out.
pub async fn metrics(State(context): State<Context>) -> Result<Response, Refusal> {
    let (usage, status, history) = tokio::join!(
        soon::<Usage>(&context, Topic::Usage),
        soon::<Status>(&context, Topic::Status),
        soon::<History>(&context, Topic::History),
    );
    let text = text(&context, usage.as_ref(), status.as_ref(), history.as_ref());
    let text = text.map_err(|error| Error::new(codes::BUG, "the metrics cannot be written").because(error))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// The question goes on where metrics no longer wait for it, so that the next ones have the answer of a slow host.
async fn soon<T: DeserializeOwned + Send + 'static>(context: &Context, topic: Topic) -> Option<T> {
    let site = context.site.clone();
    let asked = spawn_for_request(async move { site.read::<T>(topic).await });
    timeout(PATIENCE, asked).await.ok()?.ok()?.ok().flatten()
}

fn text(
    context: &Context,
    usage: Option<&Usage>,
    status: Option<&Status>,
    history: Option<&History>,
) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let answers = context.site.silent_since().is_none();
    context.metrics.write(&mut text, answers, usage, &context.signing, &context.forward)?;
    if let Some(status) = status.filter(|_| answers) {
        site_metrics::write(&mut text, status, context.site.running().as_ref(), history)?;
    }
    encode_eof(&mut text)?;
    Ok(text)
}
