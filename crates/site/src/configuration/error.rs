//! Problems of a site configuration.

use std::fmt;

use landfall_error_codes::{Code, CodedError};

/// One problem and its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Keys joined by dots; empty for the whole file.
    pub path: String,
    /// Description of the problem.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            formatter.write_str(&self.message)
        } else {
            write!(formatter, "{}: {}", self.path, self.message)
        }
    }
}

/// All problems of a site configuration, or of the release's part of it.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ConfigurationError {
    code: Code,
    file: String,
    problems: Vec<Problem>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ConfigurationError {
    pub(crate) fn new(code: Code, file: &str, problems: Vec<Problem>) -> Self {
        Self { code, file: file.to_owned(), problems, source: None }
    }

    pub(super) fn one(code: Code, file: &str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(code, file, vec![Problem { path: path.into(), message: message.into() }])
    }

    pub(super) fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns all problems.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl CodedError for ConfigurationError {
    fn code(&self) -> Code {
        self.code
    }
}

impl From<ConfigurationError> for landfall_engine::step::StepError {
    fn from(error: ConfigurationError) -> Self {
        Self::new(error.code, error.to_string())
    }
}
