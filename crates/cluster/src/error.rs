//! Errors of a cluster; each names the object it concerns.

use std::path::PathBuf;

use kube::core::Status;
use landfall_error_codes::{Code, CodedError, codes};

use super::{FieldConflict, ObjectName, retry};
use landfall_engine::step::StepError;

/// An error of the cluster. `Display` names what failed and on which object, and never repeats its source.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig cannot be read or used.
    #[error("cannot use the kubeconfig {}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Cause of the failure.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The API server did not answer before the deadline.
    #[error("cannot {action}: the API server at {server} did not answer within {seconds} s")]
    Unreachable {
        /// The requested action, with the object, such as `read Secret postgres/password`.
        action: String,
        /// The API server's URL.
        server: String,
        /// The time spent.
        seconds: u64,
        /// The last attempt's failure.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The API server refused the request.
    #[error("cannot {action}: the API server refused with {} {}: {}", status.code, status.reason, status.message)]
    Refused {
        /// The requested action, with the object.
        action: String,
        /// The answer.
        status: Box<Status>,
    },
    /// Another manager owns fields that Landfall must set.
    #[error("cannot apply {object}: {}", conflicts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Conflict {
        /// The object.
        object: Box<ObjectName>,
        /// Each manager and field.
        conflicts: Vec<FieldConflict>,
    },
    /// The cluster knows no such kind.
    #[error("the cluster does not know the kind {kind} of {api_version}")]
    UnknownKind {
        /// API version.
        api_version: String,
        /// Kind.
        kind: String,
    },
    /// A rendered object lacks the fields that identify it.
    #[error("a rendered object lacks apiVersion, kind or metadata.name: {object}")]
    Unnamed {
        /// Enough of the object to find it.
        object: String,
    },
    /// A rendered object contradicts itself or the cluster.
    #[error("{object} cannot be applied: {problem}")]
    BadObject {
        /// The object.
        object: Box<ObjectName>,
        /// The contradiction.
        problem: String,
    },
    /// No pod can be derived from a workload.
    #[error("no pod can be made after {workload}: {problem}")]
    NoPod {
        /// The workload.
        workload: Box<ObjectName>,
        /// The missing part, or the obstacle.
        problem: String,
    },
    /// An object that is not Landfall's has the name of one of Landfall's.
    #[error("{object} exists and belongs to {manager}")]
    Foreign {
        /// The object.
        object: Box<ObjectName>,
        /// Its owner.
        manager: String,
    },
    /// A component or object did not become ready in time.
    #[error("{what} was not ready after {seconds} s: {reasons}")]
    NotReady {
        /// `component postgres` or an object.
        what: String,
        /// The time waited.
        seconds: u64,
        /// All reasons, for people.
        reasons: String,
    },
    /// A component or object failed in a way that waiting does not fix.
    #[error("{what} failed: {reasons}")]
    Failed {
        /// `component postgres` or an object.
        what: String,
        /// All reasons, for people.
        reasons: String,
    },
    /// A deleted object still exists.
    #[error("{object} was deleted but still exists after {seconds} s{}", held_by(finalizers))]
    NotDeleted {
        /// The object.
        object: Box<ObjectName>,
        /// The time waited.
        seconds: u64,
        /// Finalizers that still hold it.
        finalizers: Vec<String>,
    },
    /// The API server's answer cannot be interpreted.
    #[error("cannot {action}: the API server's answer is not understood")]
    Answer {
        /// The requested action, with the object.
        action: String,
        /// Cause of the failure.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ClusterError {
    /// Returns true if the same request may succeed later, because the API server is only unavailable or busy.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => retry::is_transient(status),
            _ => false,
        }
    }
}

fn held_by(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(", held by the finalizers {}", names.join(", ")) }
}

impl CodedError for ClusterError {
    fn code(&self) -> Code {
        match self {
            Self::Kubeconfig { .. } => codes::CLUSTER_KUBECONFIG,
            Self::Unreachable { .. } => codes::CLUSTER_UNREACHABLE,
            Self::Refused { .. } => codes::CLUSTER_REFUSED,
            Self::Conflict { .. } => codes::CLUSTER_CONFLICT,
            Self::UnknownKind { .. } => codes::CLUSTER_UNKNOWN_KIND,
            Self::Unnamed { .. } | Self::BadObject { .. } | Self::NoPod { .. } => codes::CLUSTER_BAD_OBJECT,
            Self::Foreign { .. } => codes::CLUSTER_FOREIGN,
            Self::NotReady { .. } => codes::CLUSTER_NOT_READY,
            Self::Failed { .. } => codes::CLUSTER_FAILED,
            Self::NotDeleted { .. } => codes::CLUSTER_NOT_DELETED,
            Self::Answer { .. } => codes::CLUSTER_ANSWER,
        }
    }
}

impl From<ClusterError> for StepError {
    fn from(error: ClusterError) -> Self {
        let step = Self::new(error.code(), error.to_string());
        match error {
            ClusterError::Kubeconfig { source, .. }
            | ClusterError::Unreachable { source, .. }
            | ClusterError::Answer { source, .. } => step.because(source),
            _ => step,
        }
    }
}
