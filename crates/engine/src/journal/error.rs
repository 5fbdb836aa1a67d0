//! Errors of journals: missing, corrupt and newer are three different errors.

use std::io;
use std::path::{Path, PathBuf};

use landfall_documents::operation::Holder;
use landfall_error_codes::{Code, CodedError, cases, codes};
use landfall_media::durable::DurableError;

use super::record::DecodeError;
use super::state::IllegalTransition;

/// Error of a journal, with its path.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct JournalError(#[from] Box<JournalErrorKind>);

/// The kinds of [`JournalError`].
#[derive(Debug, thiserror::Error)]
pub enum JournalErrorKind {
    /// The folder or the file cannot be read or written.
    #[error("cannot {act} {}", .path.display())]
    Io {
        /// The attempted operation.
        act: &'static str,
        /// Its path.
        path: PathBuf,
        /// Cause of the failure.
        source: io::Error,
    },
    /// The folder or the file cannot be changed durably.
    #[error("cannot change {}", .path.display())]
    Durable {
        /// Its path.
        path: PathBuf,
        /// Cause of the failure.
        source: DurableError,
    },
    /// A write could not be made durable. The process must end: the kernel may have dropped the data and marked it
    /// clean, so a retry would succeed without it.
    #[error("cannot make {} durable", .path.display())]
    Sync {
        /// The journal.
        path: PathBuf,
        /// Cause of the failure.
        source: io::Error,
    },
    /// The journal must no longer be used, because an earlier write to it failed.
    #[error("an earlier write to {} failed", .path.display())]
    Poisoned {
        /// The journal.
        path: PathBuf,
    },
    /// The site exists, but its journal does not.
    #[error("{} holds a site, but its journal {} is missing", .data.display(), .folder.display())]
    Missing {
        /// The data folder.
        data: PathBuf,
        /// Expected folder of the journal.
        folder: PathBuf,
    },
    /// The journal's contents differ from what was written.
    #[error("{} is damaged", .path.display())]
    Corrupt {
        /// The journal.
        path: PathBuf,
        /// The damage.
        source: DecodeError,
    },
    /// A valid record holds a payload that no version writes.
    #[error("{}, record {sequence}, cannot be understood", .path.display())]
    Payload {
        /// The journal.
        path: PathBuf,
        /// Sequence of the record.
        sequence: u64,
        /// Parse error of the payload.
        source: serde_json::Error,
    },
    /// A valid record states an event that cannot have happened.
    #[error("{}, record {sequence}, contradicts the records before it", .path.display())]
    Contradiction {
        /// The journal.
        path: PathBuf,
        /// Sequence of the record.
        sequence: u64,
        /// The illegal transition.
        source: IllegalTransition,
    },
    /// The journal was written by a later version.
    #[error("{} was written by a newer landfall", .path.display())]
    Newer {
        /// The journal.
        path: PathBuf,
        /// Evidence that the journal is newer.
        source: Newness,
    },
    /// The engine requested a transition that the state does not allow.
    #[error("an event does not fit the journal {}", .path.display())]
    Illegal {
        /// The journal.
        path: PathBuf,
        /// The illegal transition.
        source: IllegalTransition,
    },
    /// An event cannot be written as JSON, or is too large.
    #[error("an event cannot be written to {}: {reason}", .path.display())]
    Unwritable {
        /// The journal.
        path: PathBuf,
        /// Reason for the refusal.
        reason: String,
    },
    /// Another process runs an operation on this site.
    #[error("{holder} runs on this site")]
    Busy {
        /// The process that runs it.
        holder: Holder,
    },
}

/// Evidence that a journal was written by a later version. Its name, checksums and chain are valid.
#[derive(Debug, thiserror::Error)]
pub enum Newness {
    /// The operation in its name is unknown to this version.
    #[error("its operation is unknown to this version")]
    Operation,
    /// A record has a later format.
    #[error(transparent)]
    Record(#[from] DecodeError),
    /// A record is JSON whose meaning is unknown to this version.
    #[error("record {sequence} is unknown to this version")]
    Contents {
        /// Sequence of the record.
        sequence: u64,
        /// The parse error, which names the unknown part.
        source: serde_json::Error,
    },
}

impl JournalError {
    /// Returns the kind of the error.
    pub fn kind(&self) -> &JournalErrorKind {
        &self.0
    }

    /// Returns true if the process must end without another write, because the disk lost data.
    pub fn is_fatal(&self) -> bool {
        match &*self.0 {
            JournalErrorKind::Sync { .. } | JournalErrorKind::Poisoned { .. } => true,
            JournalErrorKind::Durable { source, .. } => source.is_fatal(),
            _ => false,
        }
    }

    pub(super) fn durable(path: &Path, source: DurableError) -> Self {
        JournalErrorKind::Durable { path: path.to_owned(), source }.into()
    }

    pub(super) fn io(act: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        JournalErrorKind::Io { act, path: path.into(), source }.into()
    }
}

impl From<JournalErrorKind> for JournalError {
    fn from(kind: JournalErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

impl CodedError for JournalError {
    fn code(&self) -> Code {
        match &*self.0 {
            JournalErrorKind::Durable { source, .. } if !source.is_fatal() => source.code(),
            JournalErrorKind::Io { .. } => codes::JOURNAL_IO,
            JournalErrorKind::Durable { .. } | JournalErrorKind::Sync { .. } | JournalErrorKind::Poisoned { .. } => {
                codes::JOURNAL_SYNC
            }
            JournalErrorKind::Missing { .. } => codes::JOURNAL_MISSING,
            JournalErrorKind::Corrupt { .. }
            | JournalErrorKind::Payload { .. }
            | JournalErrorKind::Contradiction { .. } => codes::JOURNAL_CORRUPT,
            JournalErrorKind::Newer { .. } => codes::JOURNAL_NEWER,
            JournalErrorKind::Illegal { .. } | JournalErrorKind::Unwritable { .. } => codes::BUG,
            JournalErrorKind::Busy { .. } => codes::SITE_BUSY,
        }
    }

    fn hint(&self) -> Option<String> {
        match &*self.0 {
            JournalErrorKind::Io { source, .. } => cases::of_file(source).map(|case| case.next.to_owned()),
            JournalErrorKind::Durable { source, .. } => source.hint(),
            _ => None,
        }
    }
}
