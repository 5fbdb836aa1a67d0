//! Why the host did not answer, or refused.

use std::sync::Arc;

use axum::http::StatusCode;
use landfall_error_codes::{Code, codes};
use landfall_peer::Problem;

/// Why the host did not answer, or refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HostError {
    /// No connection, or no answer in time.
    #[error("the host does not answer: {0}")]
    Unreachable(Arc<str>),
    /// A connection, but no answer in time: of one document that says nothing of the others.
    #[error("the host has not answered in time: {0}")]
    Late(Arc<str>),
    /// The answer has another form than this version knows.
    #[error("the host's answer cannot be read: {0}")]
    Unreadable(Arc<str>),
    /// The host answered with a reason.
    #[error("{}", .0.title)]
    Refused(Arc<Problem>),
}

impl From<Problem> for HostError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem.into())
    }
}

impl HostError {
    /// No answer, and why.
    pub fn unreachable(why: &dyn std::fmt::Display) -> Self {
        Self::Unreachable(why.to_string().into())
    }

    /// No answer in time, and in which.
    pub fn late(why: &dyn std::fmt::Display) -> Self {
        Self::Late(why.to_string().into())
    }

    /// An answer of another form, and why.
    pub fn unreadable(why: &dyn std::fmt::Display) -> Self {
        Self::Unreadable(why.to_string().into())
    }

    /// Whether no connection was made, or it broke.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }

    /// Whether it took too long.
    pub fn is_late(&self) -> bool {
        matches!(self, Self::Late(_))
    }

    /// The HTTP status of the console's own answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unreachable(_) | Self::Late(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreadable(_) => StatusCode::BAD_GATEWAY,
            Self::Refused(problem) => match problem.status {
                status @ (404 | 409 | 413 | 422 | 423 | 429 | 503 | 507) => {
                    StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY)
                }
                _ => StatusCode::BAD_GATEWAY,
            },
        }
    }

    /// The registry's entry that fits where the host named none.
    pub fn registered(&self) -> Code {
        match self {
            Self::Unreachable(_) | Self::Late(_) => codes::HOST_SILENT,
            Self::Unreadable(_) | Self::Refused(_) => codes::HOST_ANSWER,
        }
    }
}
