//! Having the host sign the end of the log: on a schedule, before each wish for a change, and before each export.
//!
//! The host follows every entry since the one that it signed last. Where the log lacks that one, it is not the same log: a backup was
//! restored, or someone removed entries. That is recorded, and the log continues behind the newest checkpoint that it has.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use landfall_audit::{Checkpoint, CheckpointWish, Head, RestartWish};
use landfall_bundle_spec::trust::PublicKey;
use landfall_error_codes::{Code, Coded as _, codes};
use tokio::time::timeout;

use super::checkpoints::{contains, entries_behind, is_new_key, keep, newest};
use super::record::{Author, Event, head, record};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::host::{HostError, Site};

/// Between two checkpoints of the schedule, and before the first one.
const PAUSE: Duration = Duration::from_mins(5);
/// How long a wish or an export waits for its checkpoint. Neither depends on it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes checkpoints, one after the other.
#[derive(Debug, Default)]
pub struct Signing {
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// The last entry when this process first looked.
    begun: OnceLock<Head>,
    /// What was recorded last about the host's key or a restart, so that a host that refuses makes no entry each time.
    noted: Mutex<String>,
}

#[derive(Debug, Default, Clone)]
struct State {
    last: Option<Checkpoint>,
    failing: Option<Unsigned>,
}

/// Why the newest entries are not signed.
#[derive(Debug, Clone)]
pub struct Unsigned {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub why: String,
}

/// What the host has signed, and whether the log has it.
struct Standing {
    key: PublicKey,
    last: Option<Checkpoint>,
}

impl Signing {
    /// The last checkpoint that this process knows of.
    pub fn last(&self) -> Option<Checkpoint> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).last.clone()
    }

    /// Why the newest entries are not signed; none while they are.
    pub fn failing(&self) -> Option<Unsigned> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).failing.clone()
    }

    /// Makes checkpoints again and again, until the process ends.
    pub async fn watch(&self, database: &Database, site: &Site) {
        if let Err(error) = self.look(database).await {
            tracing::warn!("the end of the audit log cannot be read: {error}");
        }
        loop {
            tokio::time::sleep(PAUSE).await;
            // Why it failed is logged and shown.
            let _failed = self.sign(database, site).await;
        }
    }

    /// Has everything signed that is in the log by now, if that takes no longer than a person waits. Nothing depends on it: the next
    /// checkpoint covers the same entries.
    pub async fn sign_soon(&self, database: &Database, site: &Site) {
        if site.silent_since().is_some() {
            return;
        }
        let _failed_or_late = timeout(PATIENCE, self.sign(database, site)).await;
    }

    /// Has everything signed that is in the log by now. Each checkpoint is stored when this returns.
    pub async fn sign(&self, database: &Database, site: &Site) -> Result<()> {
        let _turn = self.turn.lock().await;
        let signed = self.sign_all(database, site).await;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &signed {
            Ok(last) => *state = State { last: last.clone(), failing: None },
            Err(error) => {
                tracing::warn!(code = error.code().id, "the end of the audit log is not signed: {error}");
                let since = state.failing.as_ref().map_or_else(Timestamp::now, |failing| failing.since);
                state.failing = Some(Unsigned { since, why: error.to_string() });
            }
        }
        signed.map(drop)
    }

    /// The last entry. The first look is remembered.
    async fn look(&self, database: &Database) -> Result<Head> {
        let end = head(&mut *database.read().acquire().await?).await?;
        self.begun.get_or_init(|| end);
        Ok(end)
    }

    async fn sign_all(&self, database: &Database, site: &Site) -> Result<Option<Checkpoint>> {
        let (last, end) = (self.last(), self.look(database).await?);
        if last.as_ref().is_some_and(|last| last.head == end) {
            return Ok(last);
        }
        let mut connection = database.read().acquire().await?;
        let standing = ask(site).await?;
        let key = standing.key.id().to_string();
        let is_continued = match &standing.last {
            Some(last) => contains(&mut connection, last.head).await?,
            None => true,
        };
        // A drill starts a console on a restored log beside the one that is used. No request writes to that log, and it must not
        // take the place of the other.
        if !is_continued && self.begun.get() == Some(&end) {
            tracing::info!("the audit log lacks what the host signed last; it continues with its next entry");
            return Ok(None);
        }
        if is_new_key(&mut connection, &key).await? {
            let event = Event::done("audit.key", &key).with("the host signs the audit log with another key");
            self.note(database, event).await?;
        }
        let (mut last, mut restart) = match standing.last {
            Some(last) if !is_continued => {
                let from = newest(&mut connection, &standing.key).await?;
                self.restarted(database, last.head, from.as_ref()).await?;
                (from.clone(), Some(RestartWish { abandoned: last.head, from }))
            }
            other => (other, None),
        };
        drop(connection);
        if let Some(known) = &last {
            store(database, known, &standing.key).await?;
        }
        loop {
            let behind = last.as_ref().map_or(Head::EMPTY, |last| last.head);
            let found = entries_behind(&mut *database.read().acquire().await?, behind).await?;
            let Some((entries, end)) = found else { return Ok(last) };
            let wish = CheckpointWish { entries, head: end, restart: restart.take() };
            let signed = site.sign_audit(&wish).await.map_err(refused)?;
            if signed.head != end {
                return Err(Error::new(codes::HOST_ANSWER, "the host signed another entry than the one that was sent"));
            }
            store(database, &signed, &standing.key).await?;
            last = Some(signed);
        }
    }

    /// Records that the log is not the one that the host signed last, as the last entry of what is signed next.
    async fn restarted(&self, database: &Database, abandoned: Head, from: Option<&Checkpoint>) -> Result<()> {
        let kept = from.map_or(0, |from| from.head.number);
        let detail = format!(
            "the log lacks the entry that the host signed last; it continues behind signed entry {kept}, as after a restore"
        );
        tracing::warn!(%abandoned, kept, "the audit log is not the one that the host signed last");
        self.note(database, Event::done("audit.restart", &abandoned.to_string()).with(&detail)).await
    }

    /// An entry of the console itself, once.
    async fn note(&self, database: &Database, event: Event<'_>) -> Result<()> {
        let text = format!("{} {}", event.action, event.object);
        if *self.noted.lock().unwrap_or_else(PoisonError::into_inner) == text {
            return Ok(());
        }
        let author = Author { name: "-".to_owned(), from: "-".to_owned(), correlation: "-".to_owned() };
        let mut write = database.write().await?;
        record(&mut write, &author, event).await?;
        write.commit().await?;
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) = text;
        Ok(())
    }
}

async fn ask(site: &Site) -> Result<Standing> {
    let page = site.audit().await.map_err(refused)?;
    let unreadable =
        |error| Error::new(codes::HOST_ANSWER, "the host's key for the audit log cannot be read").because(error);
    let key = PublicKey::from_pem("the host's answer", &page.key).map_err(|error| unreadable(error.to_string()))?;
    Ok(Standing { key, last: page.last })
}

/// A checkpoint that the host's key did not sign would make the whole export worthless.
async fn store(database: &Database, checkpoint: &Checkpoint, key: &PublicKey) -> Result<()> {
    if !checkpoint.is_signed_by(key) {
        return Err(Error::new(codes::HOST_ANSWER, "the host's checkpoint is not signed with its key"));
    }
    let mut write = database.write().await?;
    keep(&mut write, checkpoint).await?;
    Ok(write.commit().await?)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn refused(error: HostError) -> Error {
    let code: Code = match &error {
        HostError::Refused(problem) if problem.code.as_deref() == Some(codes::AUDIT_FORKED.id) => codes::AUDIT_FORKED,
        other => other.registered(),
    };
    Error::new(code, error.to_string())
}
