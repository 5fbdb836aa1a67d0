//! Why a directory did not vouch for a person.

/// Why a directory did not vouch for a person. The texts go into the audit log and to the person; no secret is in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// It does not answer, or not as one does. No password was judged to be wrong.
    #[error("{0}")]
    Unavailable(String),
    /// It received a person's password, and has not said whether it is right.
    #[error("{0}")]
    Undecided(String),
    /// Name or password is wrong, and the directory does not say which.
    #[error("name or password is wrong")]
    Wrong,
    /// It answered, and the answer proves nothing.
    #[error("{0}")]
    Refused(String),
}

impl DirectoryError {
    /// It does not answer, with all reasons below the first.
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

    /// It proves nothing.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }
}
