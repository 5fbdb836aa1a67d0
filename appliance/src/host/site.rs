//! The site, as the host reports it. Answers are shared briefly, so that many browsers cost the host one request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use hyper::body::Bytes;
use jiff::Timestamp;
use landfall_audit::{Checkpoint, CheckpointRequest};
use landfall_documents::newer;
use landfall_license::answer::{Question, SealedAnswer};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;

use super::reports::Reports;
use super::{
    AuditPage, ChangeRequest, ComponentLogs, ComponentResources, Host, HostError, KeptSecret, KnownPosition, Listener,
    MediaPage, NewsListener, OperationPage, PlanPage, ProgressPage, RemovalRequest, Request, RunningOperation,
    SecretRequest, SupportPage, Topic, Upload, UploadRequest, UploadsPage,
};
use crate::task::spawn_for_request;

/// Maximum age of an answer that is returned again.
const FRESH: Duration = Duration::from_millis(1500);
/// Maximum age of an answer that a page gets immediately, while the next one is being requested.
const SHOWN: Duration = Duration::from_secs(15);

/// Answer of the host: a document, or `None` if it has none.
pub type Answer = Result<Option<Arc<Value>>, HostError>;

/// A document that cannot be shown.
#[derive(Debug, Clone)]
pub struct UnavailableDocument {
    /// The error.
    pub error: HostError,
    /// Time since which nothing was received; `None` if something was.
    pub since: Option<Timestamp>,
}

/// The latest answer to a question, with its time; it is shared briefly.
type LatestAnswer<T> = tokio::sync::Mutex<Option<(Instant, Result<T, UnavailableDocument>)>>;

#[derive(Default)]
struct Slot {
    held: Mutex<HeldAnswer>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The latest answer, and the number of invalidations.
#[derive(Default)]
struct HeldAnswer {
    answer: Option<(Instant, Answer)>,
    forgotten: u64,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, HeldAnswer> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_answer(&self, youngest: Duration) -> Option<Answer> {
        let held = self.lock();
        held.answer.as_ref().filter(|(at, _)| at.elapsed() < youngest).map(|(_, answer)| answer.clone())
    }

    /// Returns the number of invalidations, to be read before the host is asked.
    fn invalidations(&self) -> u64 {
        self.lock().forgotten
    }

    /// Stores an answer, unless answers were invalidated since the host was asked: it may be outdated.
    fn hold(&self, asked: u64, answer: Answer) {
        let mut held = self.lock();
        if held.forgotten == asked {
            held.answer = Some((Instant::now(), answer));
        }
    }

    fn forget(&self) {
        let mut held = self.lock();
        held.answer = None;
        held.forgotten += 1;
    }
}

/// The host, with the latest answers.
pub struct Site {
    host: Arc<dyn Host>,
    slots: [Slot; Topic::ALL.len()],
    operation: LatestAnswer<Option<OperationPage>>,
    media: LatestAnswer<MediaPage>,
    silent_since: Mutex<Option<Timestamp>>,
    has_gpus_or_models: AtomicBool,
    running: watch::Sender<Option<RunningOperation>>,
    reports: watch::Sender<Reports>,
}

impl Site {
    /// Creates the site of this host.
    pub fn new(host: Arc<dyn Host>) -> Arc<Self> {
        let slots = std::array::from_fn(|_| Slot::default());
        Arc::new(Self {
            host,
            slots,
            operation: LatestAnswer::default(),
            media: LatestAnswer::default(),
            silent_since: Mutex::default(),
            has_gpus_or_models: AtomicBool::default(),
            running: watch::channel(None).0,
            reports: watch::channel(Reports::default()).0,
        })
    }

    fn slot(&self, topic: Topic) -> &Slot {
        &self.slots[topic as usize]
    }

    /// Returns the time since which the host has not answered; `None` if it answers.
    pub fn silent_since(&self) -> Option<Timestamp> {
        *self.silent_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if the latest status has GPUs, or models of the release. They do not disappear while the host is
    /// silent.
    pub fn has_gpus_or_models(&self) -> bool {
        self.has_gpus_or_models.load(Ordering::Relaxed)
    }

    /// Awaits the host's answer, and records whether it came.
    async fn hear<T>(&self, question: BoxFuture<'_, Result<T, HostError>>) -> Result<T, HostError> {
        let answer = question.await;
        self.record_answer(&answer);
        answer
    }

    /// Records whether an answer came. A late answer does not show that the host is silent, nor that it is not: the
    /// follower's requests decide that.
    fn record_answer<T>(&self, answer: &Result<T, HostError>) {
        if answer.as_ref().is_err_and(HostError::is_late) {
            return;
        }
        let mut silent = self.silent_since.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Err(error) if error.is_unreachable() => {
                if silent.is_none() {
                    tracing::warn!(%error, "the host does not answer");
                    self.reports.send_modify(|_| {});
                }
                silent.get_or_insert_with(Timestamp::now);
            }
            _ => {
                if silent.take().is_some() {
                    tracing::info!("the host answers again");
                    self.reports.send_modify(|_| {});
                }
            }
        }
    }

    async fn ask(&self, topic: Topic) -> Answer {
        let asked = self.slot(topic).invalidations();
        let answer = self
            .host
            .document(topic)
            .await
            .and_then(|found| found.map(|value| check_document(topic, value)).transpose());
        self.record_answer(&answer);
        if topic == Topic::Status
            && let Ok(Some(status)) = &answer
        {
            let has_gpus = status.get("gpus").is_some_and(|gpus| !gpus.is_null());
            let has_models = status.get("models").and_then(Value::as_array).is_some_and(|models| !models.is_empty());
            self.has_gpus_or_models.store(has_gpus || has_models, Ordering::Relaxed);
        }
        self.slot(topic).hold(asked, answer.clone());
        answer
    }

    /// Returns the latest answer, if it is fresh. One from before the host fell silent is not.
    fn held_answer(&self, topic: Topic) -> Option<Answer> {
        let held = self.slot(topic).held_answer(FRESH);
        held.filter(|answer| answer.is_err() || self.silent_since().is_none())
    }

    /// Returns a document that is at most a second and a half old.
    pub async fn fresh(&self, topic: Topic) -> Answer {
        if let Some(answer) = self.held_answer(topic) {
            return answer;
        }
        let _turn = self.slot(topic).turn.lock().await;
        match self.held_answer(topic) {
            Some(answer) => answer,
            None => self.ask(topic).await,
        }
    }

    /// Returns a document for a page, immediately if there is a recent one. While the host is silent, no page waits for
    /// it.
    async fn page_answer(self: &Arc<Self>, topic: Topic) -> Answer {
        let youngest = if self.silent_since().is_some() { Duration::MAX } else { SHOWN };
        let Some(answer) = self.slot(topic).held_answer(youngest) else { return self.fresh(topic).await };
        if self.slot(topic).held_answer(FRESH).is_none()
            && let Ok(turn) = self.slot(topic).turn.clone().try_lock_owned()
        {
            let site = self.clone();
            spawn_for_request(async move {
                let _turn = turn;
                site.ask(topic).await
            });
        }
        // An answer from before the silence is not current.
        match (self.silent_since(), answer) {
            (Some(_), Ok(_)) => Err(HostError::unreachable(&"no answer since then")),
            (_, answer) => answer,
        }
    }

    /// Returns a document for a page, as its type.
    pub async fn read<T: DeserializeOwned>(self: &Arc<Self>, topic: Topic) -> Result<Option<T>, UnavailableDocument> {
        let unavailable = |error| UnavailableDocument { error, since: self.silent_since() };
        let answer = self.page_answer(topic).await.map_err(unavailable)?;
        let parse =
            |value: Arc<Value>| newer::known_value(&value).map_err(|error| unavailable(HostError::unreadable(&error)));
        answer.map(parse).transpose()
    }

    /// Returns what the running operation has reported since.
    pub(super) async fn news(&self, known: KnownPosition) -> Result<ProgressPage, HostError> {
        let news = self.host.progress(known).await;
        // The host answers within its own time limit, even without news.
        let news = news.map_err(|error| if error.is_late() { HostError::unreachable(&error) } else { error });
        self.record_answer(&news);
        news
    }

    /// Passes on what the latest operation reported.
    pub(super) fn report(&self, page: &ProgressPage) {
        self.reports.send_if_modified(|reports| reports.take(page));
    }

    /// Listens to the latest operation for at most this time, after the event with this run and number. `None` if
    /// nothing is running and nothing was missed.
    pub fn listen(&self, heard: Option<(u64, u64)>, time: Duration) -> Option<Listener> {
        Listener::begin(self.reports.subscribe(), heard, time)
    }

    /// Listens for at most this time for news of the operation. `None` if nothing is running.
    pub fn listen_for_news(&self, time: Duration) -> Option<NewsListener> {
        NewsListener::begin(self.reports.subscribe(), time)
    }

    /// Ends all listeners, and lets no other begin.
    pub fn end_listeners(&self) {
        self.reports.send_modify(Reports::close);
    }

    /// Sets the state of the running operation. If one began or ended, every earlier answer may be outdated.
    pub(super) fn show_running(&self, running: Option<RunningOperation>) {
        let is_turn = running.is_some() != self.running.borrow().is_some();
        self.running.send_replace(running);
        if is_turn {
            self.forget();
        }
    }

    /// Returns the running operation, if any. `None` while the host is silent, because its last report is not current.
    pub fn running(&self) -> Option<RunningOperation> {
        if self.silent_since().is_some() {
            return None;
        }
        self.running.borrow().clone()
    }

    /// Returns the last log lines of a component.
    pub async fn logs(&self, component: &str, lines: u32) -> Result<ComponentLogs, UnavailableDocument> {
        let logs = self.hear(self.host.logs(component, lines)).await;
        logs.map_err(|error| UnavailableDocument { error, since: self.silent_since() })
    }

    /// Returns a component's requests and usage.
    pub async fn resources(&self, component: &str) -> Result<ComponentResources, UnavailableDocument> {
        let found = self.hear(self.host.resources(component)).await;
        found.map_err(|error| UnavailableDocument { error, since: self.silent_since() })
    }

    /// Redeems a one-use token. Returns true if it was valid.
    pub async fn claim(&self, token: &str) -> Result<bool, HostError> {
        self.hear(self.host.claim(token)).await
    }

    /// Begins a backup.
    pub async fn begin_backup(&self, by: &str, correlation: &str) -> Result<(), HostError> {
        let begun = self.hear(self.host.begin_backup(by, correlation)).await;
        self.forget();
        begun
    }

    /// Begins a drill of the newest backup.
    pub async fn begin_drill(&self, by: &str, correlation: &str) -> Result<(), HostError> {
        let begun = self.hear(self.host.begin_drill(by, correlation)).await;
        self.forget();
        begun
    }

    /// Sends a license to the host, which verifies and stores it.
    pub async fn import_license(&self, by: &str, correlation: &str, license: &str) -> Result<(), HostError> {
        let imported = self.hear(self.host.import_license(by, correlation, license)).await;
        self.forget();
        imported
    }

    /// Sends a value of a secret to the host, which keeps it in memory for an approved change.
    pub async fn keep_secret(&self, request: &SecretRequest) -> Result<KeptSecret, HostError> {
        self.hear(self.host.keep_secret(request)).await
    }

    /// Reports the number of the console's users to the host.
    pub async fn note_users(&self, users: u64) -> Result<(), HostError> {
        self.hear(self.host.note_users(users)).await
    }

    /// Returns the host's answer to a license question from software.
    pub async fn license_answer(&self, question: &Question) -> Result<SealedAnswer, HostError> {
        self.hear(self.host.license_answer(question)).await
    }

    /// Returns the public key of the audit log, and the host's last checkpoint.
    pub async fn audit(&self) -> Result<AuditPage, HostError> {
        self.hear(self.host.audit()).await
    }

    /// Has the host sign the end of the audit log.
    pub async fn sign_audit(&self, request: &CheckpointRequest) -> Result<Checkpoint, HostError> {
        self.hear(self.host.sign_audit(request)).await
    }

    /// Returns the latest operation, if any. Many browsers cost the host one request; while it is silent, no page
    /// waits.
    pub async fn operation(&self) -> Result<Option<OperationPage>, UnavailableDocument> {
        self.shared_answer(&self.operation, self.host.operation()).await
    }

    /// Returns the result of the host's last look at its media.
    pub async fn media(&self) -> Result<MediaPage, UnavailableDocument> {
        self.at_once(self.host.media()).await
    }

    /// Like [`Self::media`], for pages with many viewers: the answer may be as old as a shared one.
    pub async fn known_media(&self) -> Result<MediaPage, UnavailableDocument> {
        self.shared_answer(&self.media, self.host.media()).await
    }

    /// Returns a plan that can be approved, if the host keeps it.
    pub async fn plan(&self, digest: &str) -> Result<Option<PlanPage>, UnavailableDocument> {
        self.at_once(self.host.plan(digest)).await
    }

    /// Returns the state of a request, if the host remembers it.
    pub async fn request(&self, id: &str) -> Result<Option<Request>, UnavailableDocument> {
        self.at_once(self.host.request(id)).await
    }

    /// Returns the latest answer if it is fresh and the host is not silent, or else the answer to this question.
    async fn shared_answer<T: Clone>(
        &self,
        latest: &LatestAnswer<T>,
        question: BoxFuture<'_, Result<T, HostError>>,
    ) -> Result<T, UnavailableDocument> {
        let mut latest = latest.lock().await;
        if let Some((at, answer)) = &*latest
            && at.elapsed() < FRESH
            && self.silent_since().is_none()
        {
            return answer.clone();
        }
        let answer = self.at_once(question).await;
        *latest = Some((Instant::now(), answer.clone()));
        answer
    }

    /// Awaits an answer that the host gives immediately; while it is silent, it is not asked.
    async fn at_once<T>(&self, question: BoxFuture<'_, Result<T, HostError>>) -> Result<T, UnavailableDocument> {
        if let Some(since) = self.silent_since() {
            return Err(UnavailableDocument {
                error: HostError::unreachable(&"no answer since then"),
                since: Some(since),
            });
        }
        let answer = self.hear(question).await;
        answer.map_err(|error| UnavailableDocument { error, since: self.silent_since() })
    }

    /// Sends a request.
    pub async fn hand_over(&self, request: &ChangeRequest) -> Result<Request, HostError> {
        let asked = self.hear(self.host.hand_over(request)).await;
        self.operation.lock().await.take();
        self.forget();
        asked
    }

    /// Returns the support bundle that the host keeps, if any.
    pub async fn support(&self) -> Result<SupportPage, UnavailableDocument> {
        self.at_once(self.host.support()).await
    }

    /// Returns the next bytes of a support bundle.
    pub async fn support_piece(&self, id: &str, offset: u64) -> Result<Bytes, HostError> {
        self.hear(self.host.support_piece(id, offset)).await
    }

    /// Returns the upload of a browser, and the room for one.
    pub async fn uploads(&self) -> Result<UploadsPage, UnavailableDocument> {
        self.at_once(self.host.uploads()).await
    }

    /// Begins an upload.
    pub async fn begin_upload(&self, request: &UploadRequest) -> Result<Upload, HostError> {
        self.hear(self.host.begin_upload(request)).await
    }

    /// Sends the next piece of an upload.
    pub async fn add_piece(&self, id: &str, offset: u64, piece: Vec<u8>) -> Result<Upload, HostError> {
        self.hear(self.host.add_piece(id, offset, piece)).await
    }

    /// Removes an upload.
    pub async fn remove_upload(&self, id: &str, request: &RemovalRequest) -> Result<(), HostError> {
        self.hear(self.host.remove_upload(id, request)).await
    }

    /// Invalidates all answers, so that the next page asks the host again.
    fn forget(&self) {
        for slot in &self.slots {
            slot.forget();
        }
    }
}

/// Returns a document if it has the requested kind, in a form known to this version.
fn check_document(topic: Topic, value: Value) -> Result<Arc<Value>, HostError> {
    let (kind, schema) = (value["kind"].as_str(), value["schema"].as_u64());
    if kind == Some(topic.kind()) && schema == Some(1) {
        return Ok(Arc::new(value));
    }
    Err(HostError::unreadable(&format!(
        "a document {kind:?} of form {schema:?} in place of {:?} of form 1",
        topic.kind()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outdated_answer_is_not_kept() {
        let slot = Slot::default();
        let asked = slot.invalidations();
        slot.hold(asked, Ok(None));
        assert!(slot.held_answer(SHOWN).is_some());
        slot.forget();
        slot.hold(asked, Ok(None));
        assert!(slot.held_answer(SHOWN).is_none(), "an outdated answer was kept");
        slot.hold(slot.invalidations(), Ok(None));
        assert!(slot.held_answer(SHOWN).is_some());
    }
}
