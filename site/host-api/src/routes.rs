//! The routes, and what each asks the host.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use landfall_link::{BackupRequest, Claim, routes};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::answer::{Refused, document, json};
use super::site::{Question, Site};

/// Questions that the host answers at the same time; more wait.
const AT_ONCE: usize = 4;
/// Longest body of a request, in bytes.
const BODY_BYTES: usize = 16 << 10;
/// How long progress waits for news.
const NEWS_PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks for news.
const NEWS_POLL: Duration = Duration::from_millis(500);
/// Most lines of a container's log.
const MOST_LINES: usize = 2000;

type Result<T> = std::result::Result<T, Refused>;

/// The host with a bound on how much it is asked at once.
#[derive(Clone)]
struct Host {
    site: Arc<dyn Site>,
    turns: Arc<Semaphore>,
}

impl Host {
    /// Asks the host outside of the threads that serve.
    async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&dyn Site) -> T + Send + 'static) -> Result<T> {
        let failed = || Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "the question ended without an answer");
        let _turn = self.turns.clone().acquire_owned().await.map_err(|_| failed())?;
        let site = self.site.clone();
        spawn_blocking(move || question(&*site)).await.map_err(|_| failed())
    }
}

/// The API over a host.
pub(crate) fn router(site: Arc<dyn Site>) -> Router {
    let host = Host { site, turns: Arc::new(Semaphore::new(AT_ONCE)) };
    Router::new()
        .route(routes::STATUS, get(|host| answer(host, Question::Status)))
        .route(routes::RELEASES, get(|host| answer(host, Question::Releases)))
        .route(routes::LICENSE, get(|host| answer(host, Question::License)))
        .route(routes::BACKUPS, get(|host| answer(host, Question::Backups)).post(begin_backup))
        .route(routes::PROGRESS, get(progress))
        .route(&format!("{}/{{component}}", routes::LOGS), get(logs))
        .route(routes::CLAIMS, post(claim))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(host)
}

async fn answer(State(host): State<Host>, question: Question) -> Result<Response> {
    let found = host.ask(move |site| site.document(question)).await??;
    found.map(document).ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, "there is none"))
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn progress(State(host): State<Host>, Query(After { after }): Query<After>) -> Result<Response> {
    let end = Instant::now() + NEWS_PATIENCE;
    let first = host.ask(move |site| site.progress(after)).await?;
    let is_running = first.running;
    let mut page = first;
    while page.events.is_empty() && page.running == is_running && Instant::now() < end {
        sleep(NEWS_POLL).await;
        page = host.ask(move |site| site.progress(after)).await?;
    }
    Ok(document(json(&page)))
}

#[derive(Deserialize)]
struct Lines {
    #[serde(default = "some_lines")]
    lines: usize,
}

const fn some_lines() -> usize {
    200
}

async fn logs(
    State(host): State<Host>,
    Path(component): Path<String>,
    Query(Lines { lines }): Query<Lines>,
) -> Result<Response> {
    let lines = lines.clamp(1, MOST_LINES);
    let logs = host.ask(move |site| site.logs(&component, lines)).await??;
    Ok(document(json(&logs)))
}

async fn claim(State(host): State<Host>, Json(Claim { token }): Json<Claim>) -> Result<StatusCode> {
    let counts = host.ask(move |site| site.claim(&token)).await??;
    tracing::info!(counts, "a one-use token was claimed");
    if counts {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refused::new(StatusCode::FORBIDDEN, "the token does not count"))
    }
}

async fn begin_backup(State(host): State<Host>, Json(wish): Json<BackupRequest>) -> Result<Response> {
    let begun = host.ask(Site::begin_backup).await??;
    tracing::info!(by = wish.by, correlation = wish.correlation, begun, "a backup was asked for");
    if begun {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    Err(Refused::new(StatusCode::CONFLICT, "a backup runs already"))
}
