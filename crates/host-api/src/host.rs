//! The host as the routes see it, with bounds on concurrent and repeated questions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use landfall_peer::{ANSWER_BURST, ANSWER_PAUSE, AUDIT_BURST, AUDIT_PAUSE, Problem};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::allowance::Allowance;
use super::answer::{RefusedRequest, Result};
use super::desk::Desk;
use super::pieces::Pieces;
use super::site::Site;

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
    pub(crate) checkpoints: Arc<Allowance>,
    /// Allowance of license answers for the console.
    pub(crate) answers: Arc<Allowance>,
    /// Audit log entry that arrives in pieces.
    pub(crate) pieces: Arc<Pieces>,
    /// Time when the console last began a backup.
    pub(crate) last_backup: Arc<Mutex<Option<Instant>>>,
    /// Time when the console last began a drill.
    pub(crate) last_drill: Arc<Mutex<Option<Instant>>>,
    /// Time when a support bundle was last collected for the console.
    last_support: Arc<Mutex<Option<Instant>>>,
    last_refusal: Arc<Mutex<Option<Instant>>>,
    /// Time when the console last stated the number of its users.
    last_users: Arc<Mutex<Option<Instant>>>,
}

impl Host {
    pub(crate) fn new(site: Arc<dyn Site>) -> Self {
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
    pub(crate) async fn sign<T: Send + 'static>(
        &self,
        signing: impl FnOnce(&dyn Site) -> T + Send + 'static,
    ) -> Result<T> {
        Self::in_turn(&self.signing, &self.site, signing).await
    }

    /// Asks outside of the serving threads. The turn ends with the question itself, even if the client stops waiting.
    async fn in_turn<T: Send + 'static>(
        turns: &Arc<Semaphore>,
        site: &Arc<dyn Site>,
        question: impl FnOnce(&dyn Site) -> T + Send + 'static,
    ) -> Result<T> {
        let failed = || RefusedRequest::new(StatusCode::INTERNAL_SERVER_ERROR, "the question ended without an answer");
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
    pub(crate) fn may_note_users(&self) -> bool {
        is_due(&self.last_users, USERS_PAUSE)
    }

    /// Returns true if a refused checkpoint is logged: a compromised console must not fill the disk with refusals.
    pub(crate) fn may_note_refusal(&self) -> bool {
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
pub(crate) async fn begin_after_pause(
    host: &Host,
    last: &Mutex<Option<Instant>>,
    what: &str,
    begin: impl FnOnce(&dyn Site) -> std::result::Result<bool, Problem> + Send + 'static,
) -> Result<bool> {
    let previous = *last.lock().unwrap_or_else(PoisonError::into_inner);
    if !is_past(previous, BACKUP_PAUSE) {
        let title = format!("a {what} was begun less than ten minutes ago");
        return Err(RefusedRequest::new(StatusCode::TOO_MANY_REQUESTS, &title));
    }
    let has_begun = host.ask_quickly(begin).await??;
    if has_begun {
        *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
    Ok(has_begun)
}
