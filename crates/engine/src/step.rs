//! Interface of a step: it can observe, act and undo. Before it acts, it states what its undo will need.

use landfall_error_codes::cases::Case;
use landfall_error_codes::{Code, CodedError};
use serde_json::Value;

/// Observation of the site by a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObservedState {
    /// No part of the step's result exists.
    Absent,
    /// A part exists and belongs to Landfall; acting again completes it.
    Partial(String),
    /// All of the result exists.
    Done,
    /// An object exists that does not belong to Landfall. The engine stops the operation as stuck and does not
    /// overwrite it.
    Foreign(String),
}

/// Reason why a step could not observe, act or undo.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StepError {
    code: Code,
    /// What failed, with the file, node or object.
    what: String,
    hint: Option<String>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StepError {
    /// Creates an error from its code and a text that says what failed on which file, node or object.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), hint: None, source: None }
    }

    /// Creates an error for a case, with the next step of that case.
    pub fn of(case: Case, what: impl Into<String>) -> Self {
        Self::new(case.code(), what).hint(case.next)
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds the next step for users, if the caller knows more than the registry of codes.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl CodedError for StepError {
    fn code(&self) -> Code {
        self.code
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

impl From<landfall_media::durable::DurableError> for StepError {
    /// Keeps the code, above all the code of a failed sync, which forbids any retry.
    fn from(error: landfall_media::durable::DurableError) -> Self {
        use landfall_media::durable::{DurableError, SyncFailed};
        let (code, what, hint) = (error.code(), error.to_string(), error.hint());
        match error {
            DurableError::Io { source, .. } | DurableError::Sync(SyncFailed { source, .. }) => {
                Self { hint, ..Self::new(code, what).because(source) }
            }
        }
    }
}

/// Context that can be made durable.
pub trait Durable {
    /// Makes everything found in the context durable, including data that another process wrote. A process that died
    /// before its own sync may have left data only in the kernel's memory.
    fn sync(&mut self) -> Result<(), StepError>;
}

/// Step over a context `C` (the site). Every method may run again after a crash at any point of an earlier run.
///
/// Contract: before `act` runs, the journal holds `Prepared` with the value of `prepare`, synced, then `Started`,
/// synced. A rerun uses the recorded value, never a new one. `act` syncs what it wrote before it returns, so that
/// `Done` in the journal means that it survives a power cut.
pub trait Step<C> {
    /// Observes the site without changing it.
    fn observe(&self, site: &mut C) -> Result<ObservedState, StepError>;

    /// Returns the previous state, as `undo` will need it. Recorded once, before the first act.
    fn prepare(&self, _site: &mut C) -> Result<Value, StepError> {
        Ok(Value::Null)
    }

    /// Produces the result, from `Absent` or `Partial`. The returned value is the step's output, kept in the journal.
    fn act(&self, site: &mut C, before: &Value) -> Result<Value, StepError>;

    /// Restores what the undo of later steps needs, if it no longer works; runs before the first undo of an operation.
    /// It may run again, and the step's own `undo` still follows. Most steps have no rescue.
    fn rescue(&self, _site: &mut C, _before: &Value) -> Result<(), StepError> {
        Ok(())
    }

    /// Undoes the step wherever `act` stopped, even in the middle.
    fn undo(&self, site: &mut C, before: &Value) -> Result<(), StepError>;
}
