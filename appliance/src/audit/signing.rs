//! Signing of the log's end by the host: on a schedule, before each request for a change, and before each export.
//!
//! The host follows every entry since the one that it signed last. If the log lacks that entry, it is not the same log:
//! a backup was restored, or entries were removed. That is recorded, and the log continues after its newest checkpoint.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use landfall_audit::{Checkpoint, CheckpointRequest, Head, RestartRequest};
use landfall_bundle_spec::trust::PublicKey;
use landfall_documents::failure::FailureCode;
use landfall_error_codes::{Code, CodedError as _, codes};
use landfall_peer::AUDIT_PAUSE;
use tokio::time::timeout;

use crate::database::Database;
use crate::entries::{Author, Event, contains, entries_behind, head, is_new_key, keep, newest, record, start, stored};
use crate::error::{Error, Result};
use crate::host::{HostError, Site};

/// Time between two scheduled checkpoints, and before the first one.
const PAUSE: Duration = Duration::from_mins(5);
/// Time that a request or an export waits for its checkpoint. Neither depends on it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Creator of checkpoints, one after the other.
#[derive(Debug, Default)]
pub struct CheckpointSigner {
    /// Turn to create checkpoints; only its holder reads and changes the recorded notes.
    turn: tokio::sync::Mutex<HostNotes>,
    state: Mutex<State>,
    /// The last entry when this process first looked.
    begun: OnceLock<Head>,
}

/// Last recorded notes about the host: the object of each action. A repeated refusal of the host is recorded once, and
/// a note about its key does not displace one about a restart.
type HostNotes = BTreeMap<&'static str, String>;

#[derive(Debug, Default, Clone)]
struct State {
    last: Option<Checkpoint>,
    /// True if the host has confirmed the last checkpoint to this process; until then it is the stored one.
    is_confirmed: bool,
    failing: Option<SigningFailure>,
}

/// Reason why the newest entries are not signed.
#[derive(Debug, Clone)]
pub struct SigningFailure {
    /// Time since which they are not.
    pub since: Timestamp,
    /// The reason.
    pub why: String,
}

/// State of the host's signatures.
struct HostSignatures {
    key: PublicKey,
    last: Option<Checkpoint>,
}

/// Checkpoint after which the log continues, and what the host must know about that.
struct SigningStart {
    last: Option<Checkpoint>,
    restart: Option<RestartRequest>,
    newer: Option<Checkpoint>,
}

impl CheckpointSigner {
    /// Returns the last checkpoint known to this process, or the one stored before it began.
    pub fn last(&self) -> Option<Checkpoint> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).last.clone()
    }

    /// Returns why the newest entries are not signed; `None` if they are.
    pub fn failing(&self) -> Option<SigningFailure> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).failing.clone()
    }

    /// Creates checkpoints repeatedly, until the process ends.
    pub async fn watch(&self, database: &Database, site: &Site) {
        if let Err(error) = self.recall(database).await {
            tracing::warn!("the end of the audit log cannot be read: {error}");
        }
        let mut pause = PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            // The reason of a failure is logged and shown.
            let signed = self.sign(database, site).await;
            pause = pause_after(&signed);
        }
    }

    /// Reads the end of the log, and the last checkpoint stored before this process began.
    pub(super) async fn recall(&self, database: &Database) -> Result<()> {
        self.look(database).await?;
        let found = stored(&mut database.read().acquire().await?).await?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.is_confirmed {
            state.last = found;
        }
        Ok(())
    }

    /// Has all current entries signed, if that takes no longer than a person waits. Nothing depends on it: the next
    /// checkpoint covers the same entries.
    pub async fn sign_soon(&self, database: &Database, site: &Site) {
        if site.silent_since().is_some() {
            return;
        }
        let _failed_or_late = timeout(PATIENCE, self.sign(database, site)).await;
    }

    /// Has all current entries signed. Each checkpoint is stored on return.
    pub async fn sign(&self, database: &Database, site: &Site) -> Result<()> {
        let mut noted = self.turn.lock().await;
        let signed = self.sign_all(database, site, &mut noted).await;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &signed {
            Ok(()) => state.failing = None,
            Err(error) => {
                tracing::warn!(code = error.code().id, "the end of the audit log is not signed: {error}");
                let since = state.failing.as_ref().map_or_else(Timestamp::now, |failing| failing.since);
                state.failing = Some(SigningFailure { since, why: error.to_string() });
            }
        }
        signed
    }

    /// Stores what the host has signed, immediately: a caller that waits for the rest may give up.
    fn learn(&self, last: &Checkpoint) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State { last: Some(last.clone()), is_confirmed: true, failing: None };
    }

    /// Returns the last entry that the host confirmed as signed.
    fn confirmed_head(&self) -> Option<Head> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last.as_ref().filter(|_| state.is_confirmed).map(|last| last.head)
    }

    /// Returns the last entry. The first look is remembered.
    async fn look(&self, database: &Database) -> Result<Head> {
        let end = head(&mut database.read().acquire().await?).await?;
        self.begun.get_or_init(|| end);
        Ok(end)
    }

    async fn sign_all(&self, database: &Database, site: &Site, noted: &mut HostNotes) -> Result<()> {
        let end = self.look(database).await?;
        if self.confirmed_head() == Some(end) {
            return Ok(());
        }
        let standing = ask(site).await?;
        let Some(SigningStart { mut last, mut restart, mut newer }) =
            self.begin(database, &standing, end, noted).await?
        else {
            return Ok(());
        };
        if let Some(known) = &last {
            store(database, known, &standing.key).await?;
            self.learn(known);
        }
        loop {
            let mut connection = database.read().acquire().await?;
            // A host that has signed nothing of this log begins at the log's start.
            let start = if last.is_none() { start(&mut connection).await? } else { Head::EMPTY };
            let behind = last.as_ref().map_or(start, |last| last.head);
            let found = entries_behind(&mut connection, behind).await?;
            drop(connection);
            let Some((entries, end)) = found else { return Ok(()) };
            let request = CheckpointRequest {
                entries,
                head: end,
                restart: restart.take(),
                newer: newer.take(),
                start: Some(start).filter(|start| *start != Head::EMPTY),
            };
            let signed = site.sign_audit(&request).await.map_err(signing_error)?;
            if signed.head != end {
                return Err(Error::new(codes::HOST_ANSWER, "the host signed another entry than the one that was sent"));
            }
            store(database, &signed, &standing.key).await?;
            self.learn(&signed);
            last = Some(signed);
        }
    }

    /// Finds where the log continues; `None` if this console may be one that a drill has started. Records what an
    /// administrator must learn.
    async fn begin(
        &self,
        database: &Database,
        standing: &HostSignatures,
        end: Head,
        noted: &mut HostNotes,
    ) -> Result<Option<SigningStart>> {
        let mut connection = database.read().acquire().await?;
        let (key, last) = (standing.key.id().to_string(), standing.last.clone());
        let from = newest(&mut connection, &standing.key).await?;
        let known = last.as_ref().map_or(0, |last| last.sequence);
        let newer = from.clone().filter(|from| from.sequence > known);
        let is_continued = match &last {
            Some(last) => contains(&mut connection, last.head).await?,
            None => true,
        };
        // A drill starts a console on a restored log, next to the active one. No request writes to that log, and it
        // must not replace the other.
        if (newer.is_some() || !is_continued) && self.begun.get() == Some(&end) {
            tracing::info!(
                "the audit log does not end where the host's last checkpoint is; it continues with its next entry"
            );
            return Ok(None);
        }
        if is_new_key(&mut connection, &key).await? {
            let event = Event::done("audit.key", &key).with("the host signs the audit log with another key");
            note(database, event, noted).await?;
        }
        drop(connection);
        if let Some(newer) = newer {
            note_lost_checkpoints(database, &newer, known, noted).await?;
            return Ok(Some(SigningStart { last: Some(newer.clone()), restart: None, newer: Some(newer) }));
        }
        match last {
            Some(last) if !is_continued => {
                note_restart(database, last.head, from.as_ref(), noted).await?;
                let restart = RestartRequest { abandoned: last.head, from: from.clone() };
                Ok(Some(SigningStart { last: from, restart: Some(restart), newer: None }))
            }
            last => Ok(Some(SigningStart { last, restart: None, newer: None })),
        }
    }
}

/// Records that the log is not the one that the host signed last, as the last entry of the next signature.
async fn note_restart(
    database: &Database,
    abandoned: Head,
    from: Option<&Checkpoint>,
    noted: &mut HostNotes,
) -> Result<()> {
    let kept = from.map_or(0, |from| from.head.number);
    let detail = format!(
        "the log lacks the entry that the host signed last; it continues behind signed entry {kept}, as after a restore"
    );
    tracing::warn!(%abandoned, kept, "the audit log is not the one that the host signed last");
    note(database, Event::done("audit.restart", &abandoned.to_string()).with(&detail), noted).await
}

/// Records that the host has forgotten its own checkpoints, which the log has.
async fn note_lost_checkpoints(
    database: &Database,
    newer: &Checkpoint,
    known: u64,
    noted: &mut HostNotes,
) -> Result<()> {
    let detail = format!(
        "the host has forgotten what it signed after its checkpoint {known}, as after a restore of its files; it \
         continues behind checkpoint {}",
        newer.sequence
    );
    tracing::warn!(newest = newer.sequence, known, "the host has forgotten what it signed of the audit log");
    note(database, Event::done("audit.forgotten", &newer.head.to_string()).with(&detail), noted).await
}

/// Records an entry of the console itself, once.
async fn note(database: &Database, event: Event<'_>, noted: &mut HostNotes) -> Result<()> {
    if noted.get(event.action).is_some_and(|object| object == event.object) {
        return Ok(());
    }
    let author = Author::console();
    let mut write = database.write().await?;
    record(&mut write, &author, event).await?;
    write.commit().await?;
    noted.insert(event.action, event.object.to_owned());
    Ok(())
}

/// Returns the time until the next scheduled checkpoint: a long log continues as soon as the host permits it.
pub(super) fn pause_after(signed: &Result<()>) -> Duration {
    let is_paced = signed.as_ref().is_err_and(|error| error.code() == codes::CHECKPOINTS_TOO_MANY);
    if is_paced { AUDIT_PAUSE } else { PAUSE }
}

async fn ask(site: &Site) -> Result<HostSignatures> {
    let page = site.audit().await.map_err(signing_error)?;
    let unreadable =
        |error| Error::new(codes::HOST_ANSWER, "the host's key for the audit log cannot be read").because(error);
    let key = PublicKey::from_pem("the host's answer", &page.key).map_err(|error| unreadable(error.to_string()))?;
    Ok(HostSignatures { key, last: page.last })
}

/// Stores a checkpoint after verifying it: one not signed with the host's key would make the whole export worthless.
async fn store(database: &Database, checkpoint: &Checkpoint, key: &PublicKey) -> Result<()> {
    if !checkpoint.is_signed_by(key) {
        return Err(Error::new(codes::HOST_ANSWER, "the host's checkpoint is not signed with its key"));
    }
    let mut write = database.write().await?;
    keep(&mut write, checkpoint).await?;
    Ok(write.commit().await?)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn signing_error(error: HostError) -> Error {
    let named = if let HostError::Refused(problem) = &error { problem.code.as_ref() } else { None };
    let known = named.and_then(FailureCode::known);
    let known = known.filter(|code| [codes::AUDIT_FORKED, codes::CHECKPOINTS_TOO_MANY].contains(code));
    let code: Code = known.unwrap_or_else(|| error.registry_code());
    Error::new(code, error.to_string())
}
