//! Routes, and the question that each asks the host.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use landfall_audit::CheckpointWish;
use landfall_error_codes::{Code, Coded as _, codes};
use landfall_license::FILE_BYTES as LICENSE_BYTES;
use landfall_license::answer::Question as LicenseQuestion;
use landfall_peer::{
    ANSWER_BURST, ANSWER_PAUSE, AUDIT_BURST, AUDIT_BYTES, AUDIT_PAUSE, BackupRequest, Claim, EntryPiece, LicenseWish,
    Problem, SECRET_BYTES, SecretWish, UsersWord, routes,
};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::allowance::Allowance;
use super::answer::{Refused, document, json};
use super::changes;
use super::desk::{Desk, problem};
use super::pieces::Pieces;
use super::site::{Question, Site};
use super::{support, uploads};

/// Number of questions that the host answers concurrently; more wait.
const AT_ONCE: usize = 4;
/// Number of concurrent questions with an immediate answer, such as progress and tokens.
const QUICK_AT_ONCE: usize = 8;
/// Time between two backups that the console begins, and between two drills.
const BACKUP_PAUSE: Duration = Duration::from_mins(10);
/// Time between two support bundles collected for the console.
const SUPPORT_PAUSE: Duration = Duration::from_mins(1);

/// Time between two statements of the console about the number of its users.
const USERS_PAUSE: Duration = Duration::from_mins(1);
/// Time between two logged refusals of audit log checkpoints.
const REFUSAL_PAUSE: Duration = Duration::from_mins(1);
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

pub(crate) type Result<T> = std::result::Result<T, Refused>;

/// The host, with bounds on concurrent questions.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) site: Arc<dyn Site>,
    /// Queue of the console's requests for changes.
    pub(crate) desk: Desk,
    turns: Arc<Semaphore>,
    quick_turns: Arc<Semaphore>,
    /// Serializes the signing of checkpoints.
    signing: Arc<Semaphore>,
    /// Serializes the reading of upload pieces.
    pub(crate) arriving: Arc<Semaphore>,
    /// Allowance of checkpoints for the console.
    checkpoints: Arc<Allowance>,
    /// Allowance of license answers for the console.
    answers: Arc<Allowance>,
    /// Audit log entry that arrives in pieces.
    pieces: Arc<Pieces>,
    /// Time when the console last began a backup.
    last_backup: Arc<Mutex<Option<Instant>>>,
    /// Time when the console last began a drill.
    last_drill: Arc<Mutex<Option<Instant>>>,
    /// Time when a support bundle was last collected for the console.
    last_support: Arc<Mutex<Option<Instant>>>,
    last_refusal: Arc<Mutex<Option<Instant>>>,
    /// Time when the console last stated the number of its users.
    last_users: Arc<Mutex<Option<Instant>>>,
}

impl Host {
    fn new(site: Arc<dyn Site>) -> Self {
        let turns = |count| Arc::new(Semaphore::new(count));
        Self {
            site,
            desk: Desk::default(),
            turns: turns(AT_ONCE),
            quick_turns: turns(QUICK_AT_ONCE),
            signing: turns(1),
            arriving: turns(1),
            checkpoints: Arc::new(Allowance::new(AUDIT_BURST, AUDIT_PAUSE)),
            answers: Arc::new(Allowance::new(ANSWER_BURST, ANSWER_PAUSE)),
            pieces: Arc::default(),
            last_backup: Arc::default(),
            last_drill: Arc::default(),
            last_support: Arc::default(),
            last_refusal: Arc::default(),
            last_users: Arc::default(),
        }
    }

    /// Asks a question that may take the host seconds.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Site) -> T + Send + 'static,
    ) -> Result<T> {
        Self::in_turn(&self.turns, &self.site, question).await
    }

    /// Asks a question that the host answers immediately.
    pub(crate) async fn ask_quickly<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Site) -> T + Send + 'static,
    ) -> Result<T> {
        Self::in_turn(&self.quick_turns, &self.site, question).await
    }

    /// Signs, one at a time.
    async fn sign<T: Send + 'static>(&self, signing: impl FnOnce(&dyn Site) -> T + Send + 'static) -> Result<T> {
        Self::in_turn(&self.signing, &self.site, signing).await
    }

    /// Asks outside of the serving threads. The turn ends with the question itself, even if the client stops waiting.
    async fn in_turn<T: Send + 'static>(
        turns: &Arc<Semaphore>,
        site: &Arc<dyn Site>,
        question: impl FnOnce(&dyn Site) -> T + Send + 'static,
    ) -> Result<T> {
        let failed = || Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "the question ended without an answer");
        let turn = turns.clone().acquire_owned().await.map_err(|_| failed())?;
        let site = site.clone();
        let asked = spawn_blocking(move || {
            let answer = question(&*site);
            drop(turn);
            answer
        });
        asked.await.map_err(|_| failed())
    }

    /// Returns true if a support bundle may be collected now. The pause starts at the last collected one: after a
    /// refusal or a failure, the console may ask again.
    pub(crate) fn may_collect(&self) -> bool {
        is_past(*self.last_support.lock().unwrap_or_else(PoisonError::into_inner), SUPPORT_PAUSE)
    }

    /// Records that a support bundle was collected.
    pub(crate) fn note_collected(&self) {
        *self.last_support.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Returns true if the console's statement on its users is accepted: a compromised console makes the host write at
    /// most once a minute.
    fn may_note_users(&self) -> bool {
        is_due(&self.last_users, USERS_PAUSE)
    }

    /// Returns true if a refused checkpoint is logged: a compromised console must not fill the disk with refusals.
    fn may_note_refusal(&self) -> bool {
        is_due(&self.last_refusal, REFUSAL_PAUSE)
    }
}

/// Returns true if the last time is long enough ago, and then sets it to now.
fn is_due(last: &Mutex<Option<Instant>>, pause: Duration) -> bool {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    let is_due = is_past(*last, pause);
    if is_due {
        *last = Some(Instant::now());
    }
    is_due
}

/// Returns true if the last time is long enough ago.
fn is_past(last: Option<Instant>, pause: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= pause)
}

/// Begins work that the host begins at most once in ten minutes; returns whether it began. The pause starts only when
/// work began: after a refusal, the console may ask again.
async fn begin_after_pause(
    host: &Host,
    last: &Mutex<Option<Instant>>,
    what: &str,
    begin: impl FnOnce(&dyn Site) -> std::result::Result<bool, Problem> + Send + 'static,
) -> Result<bool> {
    let previous = *last.lock().unwrap_or_else(PoisonError::into_inner);
    if !is_past(previous, BACKUP_PAUSE) {
        let title = format!("a {what} was begun less than ten minutes ago");
        return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, &title));
    }
    let has_begun = host.ask_quickly(begin).await??;
    if has_begun {
        *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
    Ok(has_begun)
}

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
    found.map(document).ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, "there is none"))
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    after: u64,
    /// Run that the number belongs to.
    #[serde(default)]
    run: u64,
    /// True if the client knows of a running operation, whose end is news then.
    running: Option<bool>,
}

async fn progress(State(host): State<Host>, Query(Asked { after, run, running }): Query<Asked>) -> Result<Response> {
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
        Err(Refused::new(StatusCode::FORBIDDEN, "the token does not count"))
    }
}

async fn audit(State(host): State<Host>) -> Result<Response> {
    let page = host.sign(Site::audit).await??;
    Ok(document(json(&page)))
}

async fn checkpoint(State(host): State<Host>, Json(wish): Json<CheckpointWish>) -> Result<Response> {
    sign(&host, wish).await
}

/// Keeps a piece of a long entry, and signs on the last one. Only the last one counts as a checkpoint: the others touch
/// neither key nor disk.
async fn entry_piece(State(host): State<Host>, Json(piece): Json<EntryPiece>) -> Result<Response> {
    host.pieces.add(piece.offset, &piece.text)?;
    match piece.wish {
        None => Ok(StatusCode::NO_CONTENT.into_response()),
        Some(wish) => sign(&host, CheckpointWish { entries: vec![host.pieces.take()], ..wish }).await,
    }
}

/// Signs a checkpoint within the allowance. A refused one also counts, because it reads the key.
async fn sign(host: &Host, wish: CheckpointWish) -> Result<Response> {
    if let Err(wait) = host.checkpoints.take(Instant::now()) {
        if host.may_note_refusal() {
            tracing::warn!(code = codes::CHECKPOINTS_TOO_MANY.id, "the console asks for too many checkpoints");
        }
        let what = "checkpoint of the audit log";
        return Ok(too_many(codes::CHECKPOINTS_TOO_MANY, what, wait));
    }
    let restarts = wish.restart.is_some();
    let newer = wish.newer.as_ref().map(|newer| newer.head);
    let signed = host.sign(move |site| site.checkpoint(&wish)).await?.inspect_err(|refusal| {
        if host.may_note_refusal() {
            tracing::warn!(
                code = refusal.code,
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
    let mut response = Refused(problem).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX)));
    response
}

async fn begin_backup(State(host): State<Host>, Json(wish): Json<BackupRequest>) -> Result<Response> {
    let begun = begin_after_pause(&host, &host.last_backup, "backup", Site::begin_backup).await?;
    tracing::info!(by = wish.by, correlation = wish.correlation, begun, "a backup was asked for");
    if begun {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    Err(Refused::new(StatusCode::CONFLICT, "a backup runs already"))
}

async fn begin_drill(State(host): State<Host>, Json(wish): Json<BackupRequest>) -> Result<Response> {
    let begun = begin_after_pause(&host, &host.last_drill, "drill", Site::begin_drill).await?;
    tracing::info!(by = wish.by, correlation = wish.correlation, begun, "a drill was asked for");
    if begun {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    Err(Refused::new(StatusCode::CONFLICT, "a drill runs already"))
}

async fn note_users(State(host): State<Host>, Json(UsersWord { users }): Json<UsersWord>) -> Result<StatusCode> {
    if !host.may_note_users() {
        return Err(Refused::new(
            StatusCode::TOO_MANY_REQUESTS,
            "the number of users was taken less than a minute ago",
        ));
    }
    host.ask_quickly(move |site| site.note_users(users)).await??;
    Ok(StatusCode::NO_CONTENT)
}

async fn import_license(State(host): State<Host>, Json(wish): Json<LicenseWish>) -> Result<StatusCode> {
    let LicenseWish { by, correlation, license } = wish;
    tracing::info!(by, correlation, bytes = license.len(), "a license arrives");
    host.ask(move |site| site.import_license(&license)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps a value for a change that a person will approve. Only the secret's name is logged.
async fn keep_secret(State(host): State<Host>, Json(wish): Json<SecretWish>) -> Result<Response> {
    let SecretWish { by, correlation, name, .. } = &wish;
    tracing::info!(by, correlation, secret = name, "another value of a secret arrives");
    let kept = host.ask_quickly(move |site| site.keep_secret(wish)).await??;
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
