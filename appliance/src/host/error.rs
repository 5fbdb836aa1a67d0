//! Errors of requests to the host.

use std::sync::Arc;

use axum::http::StatusCode;
use landfall_error_codes::{Code, codes};
use landfall_peer::Problem;

/// Error of a request to the host.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HostError {
    /// No connection was made, or it broke.
    #[error("the host does not answer: {0}")]
    Unreachable(Arc<str>),
    /// The connection gave no answer in time. This concerns one document, and says nothing about others.
    #[error("the host has not answered in time: {0}")]
    Late(Arc<str>),
    /// The answer has a form unknown to this version.
    #[error("the host's answer cannot be read: {0}")]
    Unreadable(Arc<str>),
    /// The host refused, with a reason.
    #[error("{}", .0.title)]
    Refused(Arc<Problem>),
}

impl From<Problem> for HostError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem.into())
    }
}

impl HostError {
    /// Creates an error for a missing connection.
    pub fn unreachable(why: &dyn std::fmt::Display) -> Self {
        Self::Unreachable(why.to_string().into())
    }

    /// Creates an error for a late answer.
    pub fn late(why: &dyn std::fmt::Display) -> Self {
        Self::Late(why.to_string().into())
    }

    /// Creates an error for an answer of unknown form.
    pub fn unreadable(why: &dyn std::fmt::Display) -> Self {
        Self::Unreadable(why.to_string().into())
    }

    /// Returns true if no connection was made, or if it broke.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }

    /// Returns true if the answer was late.
    pub fn is_late(&self) -> bool {
        matches!(self, Self::Late(_))
    }

    /// Returns the HTTP status of the console's own answer.
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

    /// Returns the registry's code, for use if the host named none.
    pub fn registry_code(&self) -> Code {
        match self {
            Self::Unreachable(_) | Self::Late(_) => codes::HOST_SILENT,
            Self::Unreadable(_) | Self::Refused(_) => codes::HOST_ANSWER,
        }
    }
}
