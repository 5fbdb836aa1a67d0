//! Reasons why a program or a Service did not answer.

use std::error::Error;
use std::time::Duration;

use super::retry::is_transient;

/// Reason why nothing in the cluster answered.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// No answer in time.
    #[error("no answer came within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The connection was refused, or broke off.
    #[error("the connection failed")]
    Connection(#[source] Box<dyn Error + Send + Sync>),
    /// The API server or the node refused.
    #[error("it was refused with {code}: {message}")]
    Refused {
        /// HTTP status code.
        code: u16,
        /// Reason of the refusal.
        message: String,
        /// True if the same request may succeed later.
        transient: bool,
    },
}

impl NoAnswer {
    /// Returns true if the same request may succeed soon.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::TimedOut(_) => false,
            Self::Connection(_) => true,
            Self::Refused { transient, .. } => *transient,
        }
    }

    /// Returns the error of a connection that ended before the program did.
    pub(super) fn broken_off() -> Self {
        Self::Connection("it broke off before the program ended".into())
    }
}

impl From<kube::Error> for NoAnswer {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                Self::Refused { code: status.code, transient: is_transient(&status), message: status.message }
            }
            other => Self::Connection(other.into()),
        }
    }
}
