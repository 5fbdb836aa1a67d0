//! What a step is to the engine: it can look, act and undo, and before acting it states what its undo will need.

use landfall_error_codes::cases::Case;
use landfall_error_codes::{Code, Coded};
use serde_json::Value;

/// What a step finds when it looks at the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// No part of it exists.
    Absent,
    /// A part of it exists and is Landfall's; acting again completes it.
    Partial(String),
    /// All of it exists.
    Done,
    /// Something exists that is not Landfall's: the engine stops as Stuck rather than overwrite it.
    Foreign(String),
}

/// Why a step could not look, act or undo.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StepError {
    code: Code,
    /// What failed, and on which file, node or object.
    what: String,
    hint: Option<String>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StepError {
    /// An error with its code, and what failed on which file, node or object.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), hint: None, source: None }
    }

    /// That of a case, whose next step it has.
    pub fn of(case: Case, what: impl Into<String>) -> Self {
        Self::new(case.code(), what).hint(case.next)
    }

    /// The same with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same with the next step for a person, where the caller knows more than the registry of codes.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Coded for StepError {
    fn code(&self) -> Code {
        self.code
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

impl From<landfall_media::durable::DurableError> for StepError {
    /// Keeps the code, above all that of a failed sync, which forbids any retry.
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

/// What steps act on.
pub trait Durable {
    /// Makes durable what is found there, also what another process wrote: one that died before its own sync may have left
    /// it in the kernel's memory alone.
    fn sync(&mut self) -> Result<(), StepError>;
}

/// A step over a context `C` (the site). Every method may run again after a crash at any point of an earlier run.
///
/// Contract: before `act` runs, the journal holds `Prepared` with the value of `prepare`, synced, then `Started`,
/// synced. A rerun uses the recorded value, never a fresh one. `act` syncs what it wrote before it returns, so that
/// `Done` in the journal means that it survives a power cut.
pub trait Step<C> {
    /// Looks at the site without changing it.
    fn observe(&self, site: &mut C) -> Result<Observed, StepError>;

    /// What `undo` will need to know about the state before: recorded once, before the first act.
    fn prepare(&self, _site: &mut C) -> Result<Value, StepError> {
        Ok(Value::Null)
    }

    /// Makes it so, from Absent or Partial. The value is the step's output, kept in the journal.
    fn act(&self, site: &mut C, before: &Value) -> Result<Value, StepError>;

    /// Before the first undo of an operation: brings back what the undo of later steps needs, if it no longer works. It may run again, and
    /// `undo` follows in its turn. Most steps have nothing of the kind.
    fn rescue(&self, _site: &mut C, _before: &Value) -> Result<(), StepError> {
        Ok(())
    }

    /// Undoes it, wherever `act` stopped, a half-done act included.
    fn undo(&self, site: &mut C, before: &Value) -> Result<(), StepError>;
}
