//! Errors that stop an operation: the failed step, its journal record, and the next action.

use landfall_documents::failure::Failure;
use landfall_documents::operation::Operation;
use landfall_error_codes::{Code, CodedError, codes, remedy};

use crate::journal::JournalError;
use crate::plan::StepId;
use crate::step::StepError;

/// An error that stopped an operation.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal cannot be used; nothing more was done.
    #[error("the operation cannot continue without its journal")]
    Journal(#[from] JournalError),
    /// A step failed; a resume retries it.
    #[error("step {step} ({title}) failed; journal record {record}")]
    StepFailed {
        /// The step.
        step: StepId,
        /// Title of the step.
        title: String,
        /// Sequence of the record that reports it.
        record: u64,
        /// Cause of the failure.
        source: Box<StepError>,
    },
    /// A step found an object that does not belong to Landfall.
    #[error("step {step} ({title}) found what is not Landfall's: {what}; journal record {record}")]
    Foreign {
        /// The step.
        step: StepId,
        /// Title of the step.
        title: String,
        /// Sequence of the record that reports it.
        record: u64,
        /// Description of the object.
        what: String,
    },
    /// A step could not be undone.
    #[error("step {step} ({title}) could not be undone; journal record {record}{}", after(.first.as_deref()))]
    UndoFailed {
        /// The operation being undone, which determines how the undo continues.
        operation: Operation,
        /// The step.
        step: StepId,
        /// Title of the step.
        title: String,
        /// Sequence of the record that reports it.
        record: u64,
        /// Cause of the failure.
        source: Box<StepError>,
        /// Error of the step itself, if it had failed.
        first: Option<Box<Failure>>,
    },
    /// An irreversible step has run; nothing was changed.
    #[error("step {step} ({title}) has run and cannot be undone")]
    Irreversible {
        /// The step.
        step: StepId,
        /// Title of the step.
        title: String,
    },
}

impl EngineError {
    /// Returns the step that the error concerns, if any.
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Self::Journal(_) => None,
            Self::StepFailed { step, .. }
            | Self::Foreign { step, .. }
            | Self::UndoFailed { step, .. }
            | Self::Irreversible { step, .. } => Some(step),
        }
    }
}

fn after(first: Option<&Failure>) -> String {
    first.map(|first| format!("; before that, {} [{}]", first.what, first.code)).unwrap_or_default()
}

/// Returns the command that continues an undo: `uninstall` for an install, `resume` for a change, which undoes itself.
fn undoing(operation: Operation) -> &'static str {
    match operation {
        Operation::Install => "run `landfall uninstall` again",
        Operation::Configure | Operation::Upgrade | Operation::Rollback | Operation::Restore => "run `landfall resume`",
    }
}

/// Appends how the operation continues to a next step, because the command that began it would be refused.
fn resuming(next: &str) -> Option<String> {
    remedy(next).map(|remedy| format!("{remedy} Then run `landfall resume`."))
}

/// Returns what a user can do about an error in an operation; `None` if the fix of the error code already says it.
fn after_failure(source: &impl CodedError) -> Option<String> {
    match source.hint() {
        Some(hint) => Some(resuming(&hint).unwrap_or(hint)),
        None => resuming(source.code().fix),
    }
}

impl CodedError for EngineError {
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
            Self::Journal(error) => after_failure(error),
            Self::StepFailed { source, .. } => after_failure(&**source),
            Self::UndoFailed { operation, source, .. } => {
                let command = undoing(*operation);
                Some(match CodedError::hint(&**source) {
                    Some(hint) => format!("{} Then {command}.", remedy(&hint).unwrap_or(hint)),
                    None => format!("Remove the cause, then {command}; steps before this one are still in place."),
                })
            }
            Self::Foreign { .. } | Self::Irreversible { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::cases;

    use super::*;

    fn step_failure(source: StepError) -> EngineError {
        let (step, title) = (StepId("node".to_owned()), "start the node".to_owned());
        EngineError::StepFailed { step, title, record: 3, source: Box::new(source) }
    }

    #[test]
    fn failed_step_hints_at_resume() {
        for code in [codes::SITE_IO, codes::NO_SPACE, codes::MEDIA_IO, codes::SYNC_FAILED] {
            let hint = step_failure(StepError::new(code, "it failed")).hint().unwrap();
            assert!(hint.ends_with(". Then run `landfall resume`."), "{hint}");
            assert!(!hint.contains("same command"), "{hint}");
        }
        assert_eq!(step_failure(StepError::new(codes::BUG, "it failed")).hint(), None, "the registry knows best");
        let known = StepError::new(codes::SITE_IO, "it failed").hint("Ask the pilot.");
        assert_eq!(step_failure(known).hint().unwrap(), "Ask the pilot.");
        let again = StepError::of(cases::FILE_READ_ONLY, "cannot write /etc/hosts");
        let hint = step_failure(again).hint().unwrap();
        assert!(hint.ends_with("remount it writable. Then run `landfall resume`."), "{hint}");
    }

    #[test]
    fn failed_undo_hints_at_continuing_command() {
        let hint = |operation, source: StepError| {
            let (step, title) = (StepId("node".to_owned()), "start the node".to_owned());
            let source = Box::new(source);
            EngineError::UndoFailed { operation, step, title, record: 3, source, first: None }.hint().unwrap()
        };
        for (operation, right, wrong) in [
            (Operation::Install, "`landfall uninstall` again", "`landfall resume`"),
            (Operation::Configure, "`landfall resume`", "`landfall uninstall`"),
        ] {
            for source in [
                StepError::new(codes::SITE_IO, "it failed"),
                StepError::new(codes::SITE_IO, "it failed").hint("Ask the pilot."),
            ] {
                let hint = hint(operation, source);
                assert!(hint.contains(right) && !hint.contains(wrong), "{operation:?}: {hint}");
            }
        }
        let known = StepError::new(codes::SITE_IO, "it failed").hint("Ask the pilot.");
        assert_eq!(hint(Operation::Configure, known), "Ask the pilot. Then run `landfall resume`.");
        let full = hint(Operation::Install, StepError::of(cases::FILE_NO_ROOM, "cannot write"));
        let right = "Free space on the filesystem of the named path. Then run `landfall uninstall` again.";
        assert_eq!(full, right);
    }
}
