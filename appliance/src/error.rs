//! Errors of commands and of the server's own work. [`crate::refusal`] has the reasons for refusing a request.

use landfall_error_codes::{Code, CodedError};

/// An error, with the affected file or object. `Display` never repeats the source.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Error {
    code: Code,
    what: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Creates an error without a source.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), source: None }
    }

    /// Adds another error as the cause.
    pub fn because(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Returns the next step for a person.
    pub fn next(&self) -> String {
        self.code.fix.to_owned()
    }
}

impl CodedError for Error {
    fn code(&self) -> Code {
        self.code
    }
}

impl From<landfall_audit::AuditError> for Error {
    fn from(error: landfall_audit::AuditError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// Extension that attaches a code and a description to any error.
pub trait Context<T> {
    /// Converts the error to one of this crate.
    fn context(self, code: Code, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> Context<T> for Result<T, E> {
    fn context(self, code: Code, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::new(code, what()).because(source))
    }
}
