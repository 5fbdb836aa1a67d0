//! Health checks of probes and programs: liveness, and the state of the parts.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use landfall_documents::history::OperationHistory;
use landfall_documents::license::UsageStatus;
use landfall_documents::status::StatusReport;
use landfall_error_codes::codes;
use prometheus_client::encoding::text::encode_eof;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::context::Context;
use crate::database::query_scalar;
use crate::error::Error;
use crate::host::Topic;
use crate::metrics::site;
use crate::refusal::Refusal;
use crate::task::spawn_for_request;

/// Time that metrics wait for the host: less than the timeout of a scrape, which is 10 s.
const PATIENCE: Duration = Duration::from_secs(8);

/// State of the parts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Health {
    kind: &'static str,
    schema: u32,
    /// True if the console can do its work. Without the host it still answers and reports that.
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
    /// Time since which the part does not work.
    since: Option<Timestamp>,
}

/// Handles `GET /health`: 200 while the database works, 503 otherwise.
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

/// Handles `GET /health/live`: the process answers.
pub async fn live() -> &'static str {
    "live\n"
}

/// Handles `GET /metrics`: the console's own counters, then the host's reports. Reports that do not arrive in time are
/// left out.
pub async fn metrics(State(context): State<Context>) -> Result<Response, Refusal> {
    let (usage, status, history) = tokio::join!(
        soon::<UsageStatus>(&context, Topic::Usage),
        soon::<StatusReport>(&context, Topic::Status),
        soon::<OperationHistory>(&context, Topic::History),
    );
    let text = text(&context, usage.as_ref(), status.as_ref(), history.as_ref());
    let text = text.map_err(|error| Error::new(codes::BUG, "the metrics cannot be written").because(error))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Requests a document. The request continues after metrics stop waiting, so that the next ones have the answer of a
/// slow host.
async fn soon<T: DeserializeOwned + Send + 'static>(context: &Context, topic: Topic) -> Option<T> {
    let site = context.site.clone();
    let asked = spawn_for_request(async move { site.read::<T>(topic).await });
    timeout(PATIENCE, asked).await.ok()?.ok()?.ok().flatten()
}

fn text(
    context: &Context,
    usage: Option<&UsageStatus>,
    status: Option<&StatusReport>,
    history: Option<&OperationHistory>,
) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let answers = context.site.silent_since().is_none();
    context.metrics.write(&mut text, answers, usage, &context.signing, &context.forward)?;
    if let Some(status) = status.filter(|_| answers) {
        site::write(&mut text, status, context.site.running().as_ref(), history)?;
    }
    encode_eof(&mut text)?;
    Ok(text)
}
