//! Errors of carried manifests and parts.

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::trust::KeyId;
use landfall_error_codes::{Code, CodedError, codes};

/// Reason why a manifest or a part is refused, or cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarryError {
    /// The file is not such a document.
    #[error("{name} is not what `landfall carry out` writes")]
    Form {
        /// Name of the file.
        name: String,
        /// Cause of the error.
        #[source]
        source: Box<landfall_bundle_spec::Error>,
    },
    /// The manifest is signed with a key that is not accepted.
    #[error("the manifest is signed by the key {found}, and the key of the site is {wanted}")]
    OtherKey {
        /// Key in the manifest.
        found: KeyId,
        /// An accepted key.
        wanted: KeyId,
    },
    /// The manifest was edited after it was signed.
    #[error("the signature of the manifest does not match: it was edited, or another key signed it")]
    Signature,
    /// A kind of part is named twice, or not at all.
    #[error("the manifest does not name each part once: {what}")]
    Parts {
        /// Description of the problem.
        what: String,
    },
    /// A part differs from the one in the manifest.
    #[error(
        "{name} is not the file that the site wrote: it has {found_bytes} bytes and \
        the digest {found}, and must have {size_bytes} bytes and {wanted}"
    )]
    Differs {
        /// Name of the part's file.
        name: &'static str,
        /// Actual size in bytes.
        found_bytes: u64,
        /// Actual digest.
        found: Sha256,
        /// Expected size in bytes.
        size_bytes: u64,
        /// Expected digest.
        wanted: Sha256,
    },
    /// The manifest cannot be converted to JSON.
    #[error("the manifest cannot be written as JSON")]
    Unwritable(#[source] serde_json::Error),
}

impl CodedError for CarryError {
    fn code(&self) -> Code {
        match self {
            Self::Form { .. } => codes::CARRY_MANIFEST,
            Self::OtherKey { .. } | Self::Signature => codes::CARRY_SIGNATURE,
            Self::Parts { .. } | Self::Differs { .. } => codes::CARRY_PART,
            Self::Unwritable(_) => codes::BUG,
        }
    }
}
