//! Why a log or a checkpoint is refused.

use landfall_error_codes::{Code, Coded, codes};

/// The result of everything in this crate that can refuse.
pub type Result<T, E = AuditError> = std::result::Result<T, E>;

/// Why a log or a checkpoint is refused. The text names the entry.
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

    /// An entry, or a line, is not as it was written.
    pub(crate) fn broken(what: impl Into<String>) -> Self {
        Self::new(codes::AUDIT_BROKEN, what)
    }

    /// The log is not the one that the site signed.
    pub(crate) fn rewritten(what: impl Into<String>) -> Self {
        Self::new(codes::AUDIT_REWRITTEN, what)
    }

    /// The log lacks its end.
    pub(crate) fn truncated(what: impl Into<String>) -> Self {
        Self::new(codes::AUDIT_TRUNCATED, what)
    }

    /// Entries do not continue what the host signed.
    pub(crate) fn forked(what: impl Into<String>) -> Self {
        Self::new(codes::AUDIT_FORKED, what)
    }

    /// The log cannot be read.
    pub(crate) fn unreadable(source: std::io::Error) -> Self {
        Self { code: codes::AUDIT_FILE, what: "the log cannot be read".to_owned(), source: Some(source) }
    }
}

impl Coded for AuditError {
    fn code(&self) -> Code {
        self.code
    }
}
