//! Errors for logs and checkpoints that are refused.

use landfall_error_codes::{Code, CodedError, codes};

/// The result of fallible functions in this crate.
pub type Result<T, E = AuditError> = std::result::Result<T, E>;

/// The reason why a log or a checkpoint is refused. The text names the entry.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct AuditError {
    code: Code,
    what: String,
    #[source]
    source: Option<std::io::Error>,
}

impl AuditError {
    pub(crate) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), source: None }
    }

    /// An entry or a line differs from the one that was written.
    pub(crate) fn broken(what: impl Into<String>) -> Self {
        Self::new(codes::AUDIT_BROKEN, what)
    }

    /// The log differs from the one that the site signed.
    pub(crate) fn rewritten(what: impl Into<String>) -> Self {
        Self::new(codes::AUDIT_REWRITTEN, what)
    }

    /// The end of the log is missing.
    pub(crate) fn truncated(what: impl Into<String>) -> Self {
        Self::new(codes::AUDIT_TRUNCATED, what)
    }

    /// The entries do not continue those that the host signed.
    pub(crate) fn forked(what: impl Into<String>) -> Self {
        Self::new(codes::AUDIT_FORKED, what)
    }

    /// The log cannot be read.
    pub(crate) fn unreadable(source: std::io::Error) -> Self {
        Self { code: codes::AUDIT_FILE, what: "the log cannot be read".to_owned(), source: Some(source) }
    }
}

impl CodedError for AuditError {
    fn code(&self) -> Code {
        self.code
    }
}
