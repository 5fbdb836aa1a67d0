//! Why an operation stopped: which step, at which record of the journal, and what can be done.

use landfall_error_codes::{Code, Coded, codes};

use crate::journal::{JournalError, RecordedError};
use crate::plan::StepId;
use crate::step::StepError;

/// Why an operation stopped.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal cannot be used; nothing more was done.
    #[error("the operation cannot continue without its journal")]
    Journal(#[from] JournalError),
    /// A step failed; resume tries it again.
    #[error("step {step} ({title}) failed; journal record {record}")]
    StepFailed {
        /// The step.
        step: StepId,
        /// What it does.
        title: String,
        /// Sequence of the record that reports it.
        record: u64,
        /// Why.
        source: Box<StepError>,
    },
    /// A step found something that is not Landfall's.
    #[error("step {step} ({title}) found what is not Landfall's: {what}; journal record {record}")]
    Foreign {
        /// The step.
        step: StepId,
        /// What it does.
        title: String,
        /// Sequence of the record that reports it.
        record: u64,
        /// What it found.
        what: String,
    },
    /// A step could not be undone.
    #[error("step {step} ({title}) could not be undone; journal record {record}{}", after(.first.as_deref()))]
    UndoFailed {
        /// The step.
        step: StepId,
        /// What it does.
        title: String,
        /// Sequence of the record that reports it.
        record: u64,
        /// Why.
        source: Box<StepError>,
        /// The error of the step itself, if there was one.
        first: Option<Box<RecordedError>>,
    },
    /// An irreversible step has run; nothing was changed.
    #[error("step {step} ({title}) has run and cannot be undone")]
    Irreversible {
        /// The step.
        step: StepId,
        /// What it does.
        title: String,
    },
}

fn after(first: Option<&RecordedError>) -> String {
    first.map(|first| format!("; before that, {} [{}]", first.what, first.code)).unwrap_or_default()
}

impl Coded for EngineError {
    fn code(&self) -> Code {
        match self {
            Self::Journal(error) => error.code(),
            Self::StepFailed { source, .. } => source.code(),
            Self::Foreign { .. } => codes::STEP_FOREIGN,
            Self::UndoFailed { .. } => codes::UNDO_FAILED,
            Self::Irreversible { .. } => codes::UNDO_IMPOSSIBLE,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Journal(error) => error.hint(),
            Self::StepFailed { source, .. } => Coded::hint(&**source),
            Self::UndoFailed { source, .. } => {
                Coded::hint(&**source).map(|hint| format!("{hint} Then run `landfall uninstall` again."))
            }
            Self::Foreign { .. } | Self::Irreversible { .. } => None,
        }
    }
}
