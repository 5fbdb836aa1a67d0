//! The single source of truth of an operation, written and synced before every act.
//!
//! Every other copy of its contents (status, logs) is derived from it.

mod error;
mod event;
mod folder;
pub mod record;
#[cfg(test)]
pub mod simulated;
pub mod state;
mod storage;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use landfall_documents::operation::Operation;

pub use error::{JournalError, JournalErrorKind, Newness};
pub use event::{Entry, Event, OperationPins, Outline, UndoCause};
pub use folder::{JournalFile, JournalFolder, SiteLock};
pub use state::{IllegalTransition, Phase, State, StepState, StepStatus, transition};
pub use storage::{FileStorage, Storage};

use landfall_documents::newer;
use record::{DecodeError, DecodedJournal, Tail};

/// Maximum size of a payload: far above any plan, far below the maximum length.
const MAX_PAYLOAD_BYTES: usize = 256 << 20;

/// Contents of a journal, read for reports without holding the lock.
#[derive(Debug, Clone)]
pub struct Replay<P> {
    /// All valid records, in order; the index is the sequence.
    pub entries: Vec<Entry<P>>,
    /// The resulting state.
    pub state: State<P>,
    /// Bytes of a torn record at the end.
    pub torn_bytes: u64,
    /// True if this program knows every field of every record.
    pub is_understood: bool,
    valid_bytes: u64,
    tail: Tail,
}

impl<P: OperationPins> Replay<P> {
    /// Reads the bytes of the journal at `path` for a report. Additions of a newer program are ignored, so that an
    /// older program can read these journals after a rollback, and while one is in progress.
    pub fn of(bytes: &[u8], path: &Path) -> Result<Self, JournalError> {
        Self::read(bytes, path, |_| true)
    }

    /// Like [`of`](Self::of), for a program that adds records. An open operation requires a program that understands
    /// all of it.
    fn to_continue(bytes: &[u8], path: &Path) -> Result<Self, JournalError> {
        Self::read(bytes, path, State::is_closed)
    }

    fn read(bytes: &[u8], path: &Path, may_be_newer: impl Fn(&State<P>) -> bool) -> Result<Self, JournalError> {
        let decoded = decode_journal(bytes, path)?;
        match Self::read_entries(&decoded, path, Entry::read) {
            Err(error) if matches!(error.kind(), JournalErrorKind::Newer { .. }) => {
                let known = Self::read_entries(&decoded, path, newer::known_part).ok();
                let known = known.filter(|replay| may_be_newer(&replay.state)).ok_or(error)?;
                Ok(Self { is_understood: false, ..known })
            }
            read => read,
        }
    }

    fn read_entries(
        decoded: &DecodedJournal,
        path: &Path,
        read: impl Fn(&[u8]) -> serde_json::Result<Entry<P>>,
    ) -> Result<Self, JournalError> {
        let mut state = State::default();
        let mut entries = Vec::with_capacity(decoded.payloads.len());
        for (sequence, payload) in (0..).zip(&decoded.payloads) {
            #[cfg(any(test, feature = "testing"))]
            let payload = &*landfall_media::later::known_payload(payload);
            let entry = read(payload).map_err(|source| unreadable(path.to_owned(), sequence, source))?;
            let contradiction = |source| JournalErrorKind::Contradiction { path: path.to_owned(), sequence, source };
            let change = state::change(&state, &entry.event).map_err(contradiction)?;
            state.make(change);
            entries.push(entry);
        }
        let (torn_bytes, valid_bytes, tail) = (decoded.torn_bytes, decoded.valid_bytes, decoded.tail);
        Ok(Self { entries, state, torn_bytes, is_understood: true, valid_bytes, tail })
    }

    /// Returns the sequence of the last record.
    pub fn last_sequence(&self) -> u64 {
        self.tail.sequence.saturating_sub(1)
    }

    /// Bytes of the valid records.
    pub fn valid_bytes(&self) -> u64 {
        self.valid_bytes
    }
}

/// Checks that the bytes of the journal at `path` are as written, without interpreting them.
fn decode_journal(bytes: &[u8], path: &Path) -> Result<DecodedJournal, JournalError> {
    record::decode(bytes).map_err(|source| {
        let path = path.to_owned();
        let kind = match source {
            DecodeError::Corrupt { .. } => JournalErrorKind::Corrupt { path, source },
            DecodeError::Newer { .. } => JournalErrorKind::Newer { path, source: source.into() },
        };
        kind.into()
    })
}

/// Journal of one operation, held for writing.
#[derive(Debug)]
pub struct Journal<P, S = FileStorage> {
    storage: S,
    path: PathBuf,
    state: State<P>,
    tail: Tail,
    poisoned: bool,
}

impl<P: OperationPins, S: Storage> Journal<P, S> {
    /// Replays a journal whose record 0 is durable. Truncates a torn last record, durably.
    pub fn load(mut storage: S, path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        let bytes = storage.read_all().map_err(|source| JournalError::io("read", &path, source))?;
        let Replay { state, torn_bytes, valid_bytes, tail, .. } = Replay::to_continue(&bytes, &path)?;
        if torn_bytes > 0 {
            storage
                .truncate(valid_bytes)
                .map_err(|source| JournalError::io("truncate the torn record of", &path, source))?;
        }
        // Required even without a torn record. An earlier process may have died between its write and its sync, and
        // records trusted from here on must survive a power cut.
        storage.sync().map_err(|source| JournalErrorKind::Sync { path: path.clone(), source })?;
        Ok(Self { storage, path, state, tail, poisoned: false })
    }

    /// Returns the state of the operation.
    pub fn state(&self) -> &State<P> {
        &self.state
    }

    /// Returns the pins of the operation.
    pub fn pins(&self) -> Result<Arc<P>, JournalError> {
        self.state.pins.clone().ok_or_else(|| {
            JournalErrorKind::Unwritable { path: self.path.clone(), reason: "it has no record 0".to_owned() }.into()
        })
    }

    /// Returns the path of the journal.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the sequence of the last record.
    pub fn last_sequence(&self) -> u64 {
        self.tail.sequence.saturating_sub(1)
    }

    /// Appends an event and returns its sequence once it is durable. After an error, nothing more can be appended: what
    /// reached the disk is unknown until the journal is loaded again.
    pub fn append(&mut self, event: Event<P>) -> Result<u64, JournalError> {
        if self.poisoned {
            return Err(JournalErrorKind::Poisoned { path: self.path.clone() }.into());
        }
        let path = || self.path.clone();
        let change =
            state::change(&self.state, &event).map_err(|source| JournalErrorKind::Illegal { path: path(), source })?;
        let payload = payload_of(event).map_err(|reason| JournalErrorKind::Unwritable { path: path(), reason })?;
        let (bytes, tail) = record::encode(&payload, self.tail);
        self.poisoned = true;
        self.storage.append(&bytes).map_err(|source| JournalError::io("append to", &self.path, source))?;
        self.storage.sync().map_err(|source| JournalErrorKind::Sync { path: path(), source })?;
        self.poisoned = false;
        let sequence = self.tail.sequence;
        self.state.make(change);
        self.tail = tail;
        if !may_grow(&self.state) {
            self.storage.release_room();
        }
        Ok(sequence)
    }
}

/// Returns true if records may follow even on a full disk. These are the records of an open operation, and those of the
/// uninstall, which undoes the install in the same journal.
fn may_grow<P: OperationPins>(state: &State<P>) -> bool {
    let is_install = state.pins.as_ref().is_some_and(|pins| pins.operation() == Operation::Install);
    !state.is_closed() || (is_install && state.phase == Phase::Committed)
}

/// Classifies an unreadable payload of a valid record. A later version writes other events and fields, but every
/// version writes JSON.
fn unreadable(path: PathBuf, sequence: u64, source: serde_json::Error) -> JournalErrorKind {
    if source.is_data() {
        return JournalErrorKind::Newer { path, source: Newness::Contents { sequence, source } };
    }
    JournalErrorKind::Payload { path, sequence, source }
}

/// Encodes the payload of a new record.
fn payload_of<P: OperationPins>(event: Event<P>) -> Result<Vec<u8>, String> {
    let payload = serde_json::to_vec(&Entry { at: Timestamp::now(), event }).map_err(|error| error.to_string())?;
    #[cfg(any(test, feature = "testing"))]
    let payload = landfall_media::later::payload(payload);
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(format!("it has {} bytes, but only {MAX_PAYLOAD_BYTES} are allowed", payload.len()));
    }
    Ok(payload)
}

/// Returns the bytes of a journal that holds only record 0.
pub fn first_record<P: OperationPins>(pins: P, path: &Path) -> Result<Vec<u8>, JournalError> {
    let payload = payload_of(Event::Opened { pins: Box::new(pins) })
        .map_err(|reason| JournalErrorKind::Unwritable { path: path.to_owned(), reason })?;
    Ok(record::encode(&payload, Tail::default()).0)
}

#[cfg(test)]
mod tests;
