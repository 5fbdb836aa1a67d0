//! Reasons why a directory did not vouch for a person.

use landfall_error_codes::codes;

use crate::refusal::Refusal;

/// Reason why a directory did not vouch for a person. The texts go to the audit log and to the person, and contain no
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The directory does not answer, or not properly. No password was judged.
    #[error("{0}")]
    Unavailable(String),
    /// The directory received a person's password, and has not judged it.
    #[error("{0}")]
    Undecided(String),
    /// The name or the password is wrong; the directory does not say which.
    #[error("name or password is wrong")]
    Wrong,
    /// The directory answered, and the answer proves nothing.
    #[error("{0}")]
    Refused(String),
}

impl DirectoryError {
    /// Creates an error for a directory that does not answer, with all causes.
    pub fn unavailable(what: &str, error: &dyn std::error::Error) -> Self {
        let mut text = format!("{what}: {error}");
        let mut cause = error.source();
        while let Some(inner) = cause {
            let inner_text = inner.to_string();
            if !text.ends_with(&inner_text) {
                text = format!("{text}: {inner_text}");
            }
            cause = inner.source();
        }
        Self::Unavailable(text)
    }

    /// Creates an error for an answer that proves nothing.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }
}

impl From<DirectoryError> for Refusal {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Wrong => Self::SignIn,
            DirectoryError::Refused(why) => Self::Directory(why),
            DirectoryError::Unavailable(why) | DirectoryError::Undecided(why) => {
                tracing::warn!(code = codes::DIRECTORY_SILENT.id, why, "the directory does not answer");
                Self::DirectorySilent
            }
        }
    }
}
