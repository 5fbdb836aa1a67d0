//! Routes, and the question that each asks the host.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use landfall_audit::CheckpointRequest;
use landfall_error_codes::{Code, CodedError as _, codes};
use landfall_license::FILE_BYTES as LICENSE_BYTES;
use landfall_license::answer::Question as LicenseQuestion;
use landfall_peer::{
    AUDIT_BYTES, BackupRequest, Claim, EntryPiece, LicenseRequest, SECRET_BYTES, SecretRequest, UsersWord, routes,
};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::answer::{RefusedRequest, Result, document, json};
use super::changes;
use super::desk::problem;
use super::host::{Host, begin_after_pause};
use super::site::{Question, Site};
use super::{support, uploads};

/// Maximum size of a request's body, in bytes.
const BODY_BYTES: usize = 16 << 10;
/// Maximum size of a body with a license, each byte of which may take two in JSON.
const LICENSE_BODY_BYTES: usize = 2 * LICENSE_BYTES + BODY_BYTES;
/// Maximum size of a body with a secret's value.
const SECRET_BODY_BYTES: usize = 2 * SECRET_BYTES + BODY_BYTES;
/// Maximum size of a body with audit log entries, for which JSON within JSON takes up to two bytes per byte.
const AUDIT_BODY_BYTES: usize = 2 * AUDIT_BYTES + 2 * BODY_BYTES;
/// Time that a progress request waits for news.
const NEWS_PATIENCE: Duration = Duration::from_secs(20);
/// Interval of checks for news.
const NEWS_POLL: Duration = Duration::from_millis(500);
/// Maximum number of lines of a container's log.
const MOST_LINES: usize = 2000;

/// Returns the router of the API over a host.
pub(crate) fn router(site: Arc<dyn Site>) -> Router {
    Router::new()
        .route(routes::STATUS, get(|host| answer(host, Question::Status)))
        .route(routes::RELEASES, get(|host| answer(host, Question::Releases)))
        .route(routes::HISTORY, get(|host| answer(host, Question::History)))
        .route(routes::LICENSE, get(|host| answer(host, Question::License)).merge(import_route()))
        .route(routes::USAGE, get(|host| answer(host, Question::Usage)).post(note_users))
        .route(routes::USAGE_REPORT, get(|host| answer(host, Question::UsageReport)))
        .route(routes::LICENSE_ANSWERS, post(license_answer))
        .route(routes::BACKUPS, get(|host| answer(host, Question::Backups)).post(begin_backup))
        .route(routes::DRILLS, post(begin_drill))
        .route(routes::SETTINGS, get(|host| answer(host, Question::Settings)))
        .route(routes::SECRETS, post(keep_secret).layer(DefaultBodyLimit::max(SECRET_BODY_BYTES)))
        .route(routes::PROGRESS, get(progress))
        .route(&format!("{}/{{component}}", routes::LOGS), get(logs))
        .route(&format!("{}/{{component}}", routes::RESOURCES), get(resources))
        .route(routes::AUDIT, get(audit).merge(of_entries(post(checkpoint))))
        .route(routes::AUDIT_ENTRY, of_entries(post(entry_piece)))
        .route(routes::CLAIMS, post(claim))
        .merge(changes::routes())
        .merge(uploads::routes())
        .merge(support::routes())
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn(landfall_peer::read_rest))
        .with_state(Host::new(site))
}

/// Route of the license import, with a larger body limit.
fn import_route() -> MethodRouter<Host> {
    post(import_license).layer(DefaultBodyLimit::max(LICENSE_BODY_BYTES))
}

/// Sets the body limit of routes with audit log entries.
fn of_entries(route: MethodRouter<Host>) -> MethodRouter<Host> {
    route.layer(DefaultBodyLimit::max(AUDIT_BODY_BYTES))
}

async fn answer(State(host): State<Host>, question: Question) -> Result<Response> {
    let found = host.ask(move |site| site.document(question)).await??;
    found.map(document).ok_or_else(|| RefusedRequest::new(StatusCode::NOT_FOUND, "there is none"))
}

#[derive(Deserialize)]
struct ProgressQuery {
    #[serde(default)]
    after: u64,
    /// Run that the number belongs to.
    #[serde(default)]
    run: u64,
    /// True if the client knows of a running operation, whose end is news then.
    running: Option<bool>,
}

async fn progress(
    State(host): State<Host>,
    Query(ProgressQuery { after, run, running }): Query<ProgressQuery>,
) -> Result<Response> {
    let end = Instant::now() + NEWS_PATIENCE;
    let mut page = host.ask_quickly(move |site| site.progress(run, after)).await?;
    let (known, of_run) = (running.unwrap_or(page.running), page.run);
    while page.events.is_empty() && page.running == known && page.run == of_run && Instant::now() < end {
        sleep(NEWS_POLL).await;
        page = host.ask_quickly(move |site| site.progress(run, after)).await?;
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

async fn resources(State(host): State<Host>, Path(component): Path<String>) -> Result<Response> {
    let found = host.ask(move |site| site.resources(&component)).await??;
    Ok(document(json(&found)))
}

async fn claim(State(host): State<Host>, Json(Claim { token }): Json<Claim>) -> Result<StatusCode> {
    let counts = host.ask_quickly(move |site| site.claim(&token)).await??;
    tracing::info!(counts, "a one-use token was claimed");
    if counts {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(RefusedRequest::new(StatusCode::FORBIDDEN, "the token does not count"))
    }
}

async fn audit(State(host): State<Host>) -> Result<Response> {
    let page = host.sign(Site::audit).await??;
    Ok(document(json(&page)))
}

async fn checkpoint(State(host): State<Host>, Json(request): Json<CheckpointRequest>) -> Result<Response> {
    sign(&host, request).await
}

/// Keeps a piece of a long entry, and signs on the last one. Only the last one counts as a checkpoint: the others touch
/// neither key nor disk.
async fn entry_piece(State(host): State<Host>, Json(piece): Json<EntryPiece>) -> Result<Response> {
    host.pieces.add(piece.offset, &piece.text)?;
    match piece.request {
        None => Ok(StatusCode::NO_CONTENT.into_response()),
        Some(request) => sign(&host, CheckpointRequest { entries: vec![host.pieces.take()], ..request }).await,
    }
}

/// Signs a checkpoint within the allowance. A refused one also counts, because it reads the key.
async fn sign(host: &Host, request: CheckpointRequest) -> Result<Response> {
    if let Err(wait) = host.checkpoints.take(Instant::now()) {
        if host.may_note_refusal() {
            tracing::warn!(code = codes::CHECKPOINTS_TOO_MANY.id, "the console asks for too many checkpoints");
        }
        let what = "checkpoint of the audit log";
        return Ok(too_many(codes::CHECKPOINTS_TOO_MANY, what, wait));
    }
    let restarts = request.restart.is_some();
    let newer = request.newer.as_ref().map(|newer| newer.head);
    let signed = host.sign(move |site| site.checkpoint(&request)).await?.inspect_err(|refusal| {
        if host.may_note_refusal() {
            tracing::warn!(
                code = refusal.code.as_deref(),
                title = refusal.title,
                "the console wants a checkpoint of its audit log that is refused"
            );
        }
    })?;
    if let Some(restart) = signed.restart.as_ref().filter(|_| restarts) {
        let (kept, abandoned) = (restart.kept, restart.abandoned);
        tracing::warn!(%kept, %abandoned, "the console continues its audit log from an earlier entry");
    }
    if let Some(newer) = newer {
        tracing::warn!(%newer, "this host had forgotten what it signed of the console's audit log, as after a restore \
            of its files");
    }
    Ok(document(json(&signed)))
}

/// Refuses to sign, and states when the next request is possible.
fn too_many(code: Code, what: &str, wait: Duration) -> Response {
    let seconds = wait.as_millis().div_ceil(1000);
    let title = format!("the host signs the next {what} in {seconds} seconds");
    let problem = problem(StatusCode::TOO_MANY_REQUESTS, code, title);
    let mut response = RefusedRequest(problem).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX)));
    response
}

async fn begin_backup(State(host): State<Host>, Json(request): Json<BackupRequest>) -> Result<Response> {
    let begun = begin_after_pause(&host, &host.last_backup, "backup", Site::begin_backup).await?;
    tracing::info!(by = request.by, correlation = request.correlation, begun, "a backup was requested");
    if begun {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    Err(RefusedRequest::new(StatusCode::CONFLICT, "a backup runs already"))
}

async fn begin_drill(State(host): State<Host>, Json(request): Json<BackupRequest>) -> Result<Response> {
    let begun = begin_after_pause(&host, &host.last_drill, "drill", Site::begin_drill).await?;
    tracing::info!(by = request.by, correlation = request.correlation, begun, "a drill was requested");
    if begun {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    Err(RefusedRequest::new(StatusCode::CONFLICT, "a drill runs already"))
}

async fn note_users(State(host): State<Host>, Json(UsersWord { users }): Json<UsersWord>) -> Result<StatusCode> {
    if !host.may_note_users() {
        return Err(RefusedRequest::new(
            StatusCode::TOO_MANY_REQUESTS,
            "the number of users was taken less than a minute ago",
        ));
    }
    host.ask_quickly(move |site| site.note_users(users)).await??;
    Ok(StatusCode::NO_CONTENT)
}

async fn import_license(State(host): State<Host>, Json(request): Json<LicenseRequest>) -> Result<StatusCode> {
    let LicenseRequest { by, correlation, license } = request;
    tracing::info!(by, correlation, bytes = license.len(), "a license arrives");
    host.ask(move |site| site.import_license(&license)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps a value for a change that a person will approve. Only the secret's name is logged.
async fn keep_secret(State(host): State<Host>, Json(request): Json<SecretRequest>) -> Result<Response> {
    let SecretRequest { by, correlation, name, .. } = &request;
    tracing::info!(by, correlation, secret = name, "another value of a secret arrives");
    let kept = host.ask_quickly(move |site| site.keep_secret(request)).await??;
    Ok(document(json(&kept)))
}

/// Signs an answer for software. Software asks through the console, and questions are not logged: pods ask all day.
async fn license_answer(State(host): State<Host>, Json(question): Json<LicenseQuestion>) -> Result<Response> {
    if let Err(error) = question.check() {
        return Err(problem(StatusCode::UNPROCESSABLE_ENTITY, error.code(), error.to_string()).into());
    }
    if let Err(wait) = host.answers.take(Instant::now()) {
        return Ok(too_many(codes::LICENSE_QUESTIONS_TOO_MANY, "answer about the license", wait));
    }
    let sealed = host.ask_quickly(move |site| site.license_answer(&question)).await??;
    Ok(document(String::from_utf8_lossy(sealed.bytes()).into_owned()))
}
