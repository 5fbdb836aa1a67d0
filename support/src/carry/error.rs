//! Why what was carried out is refused.

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::trust::KeyId;
use landfall_error_codes::{Code, Coded, codes};

/// Why a manifest or a part is refused, or cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarryError {
    /// It is no such document.
    #[error("{name} is not what `landfall carry out` writes")]
    Form {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: Box<landfall_bundle_spec::Error>,
    },
    /// Another key signed it than one that counts.
    #[error("the manifest is signed by the key {found}, and the key of the site is {wanted}")]
    OtherKey {
        /// The key in the manifest.
        found: KeyId,
        /// A key that counts.
        wanted: KeyId,
    },
    /// It was edited after it was signed.
    #[error("the signature of the manifest does not match: it was edited, or another key signed it")]
    Signature,
    /// A kind of part is named twice, or not at all.
    #[error("the manifest does not name each part once: {what}")]
    Parts {
        /// What is wrong.
        what: String,
    },
    /// A part is not the one that the manifest names.
    #[error(
        "{name} is not the file that the site wrote: it has {found_bytes} bytes and the digest {found}, and must have {size_bytes} bytes and {wanted}"
    )]
    Differs {
        /// The part's file.
        name: &'static str,
        /// Bytes that it has.
        found_bytes: u64,
        /// Digest that it has.
        found: Sha256,
        /// Bytes that it must have.
        size_bytes: u64,
        /// Digest that it must have.
        wanted: Sha256,
    },
    /// It cannot be written.
    #[error("the manifest cannot be written as JSON")]
    Unwritable(#[source] serde_json::Error),
}

impl Coded for CarryError {
    fn code(&self) -> Code {
        match self {
            Self::Form { .. } => codes::CARRY_MANIFEST,
            Self::OtherKey { .. } | Self::Signature => codes::CARRY_SIGNATURE,
            Self::Parts { .. } | Self::Differs { .. } => codes::CARRY_PART,
            Self::Unwritable(_) => codes::BUG,
        }
    }
}
