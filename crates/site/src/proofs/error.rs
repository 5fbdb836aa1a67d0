//! Errors of proofs that did not run.

use landfall_cluster::ClusterError;
use landfall_error_codes::{Code, CodedError, codes};
use landfall_suggestion::nearest;

/// Reason why no proof ran.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// Nothing is installed.
    #[error("no release is installed on this machine")]
    NoSite,
    /// The release does not declare the named proof.
    #[error("release {release} declares no proof `{name}`")]
    Unknown {
        /// The name.
        name: String,
        /// The release.
        release: String,
        /// Names of the proofs that the release declares.
        known: Vec<String>,
    },
    /// The API server does not answer.
    #[error("the cluster does not answer; no proof was run")]
    NoCluster(#[source] ClusterError),
}

impl CodedError for ProveError {
    fn code(&self) -> Code {
        match self {
            Self::NoSite => codes::PROOF_NO_SITE,
            Self::Unknown { .. } => codes::PROOF_UNKNOWN,
            Self::NoCluster(_) => codes::PROOF_NO_CLUSTER,
        }
    }

    fn hint(&self) -> Option<String> {
        let Self::Unknown { name, known, .. } = self else { return None };
        match nearest(name, known.iter().map(String::as_str)) {
            Some(known) => Some(format!("Did you mean `{known}`?")),
            None if known.is_empty() => Some("The release declares no proofs at all.".to_owned()),
            None => Some(format!("The release declares: {}.", known.join(", "))),
        }
    }
}
