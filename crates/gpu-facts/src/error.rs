//! Errors about GPU facts.

use landfall_error_codes::{Code, CodedError, codes};

use crate::schema::{SCHEMA, SIZE_LIMIT};

/// A result of this crate.
pub type Result<T, E = GpuError> = std::result::Result<T, E>;

/// The reason why GPU facts cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// The document has another schema.
    #[error("the GPU facts are of schema {found}, and this program reads schema {SCHEMA}")]
    UnknownSchema {
        /// Schema number in the document.
        found: String,
    },
    /// The document has no schema number.
    #[error("the GPU facts do not name their schema")]
    NoSchema,
    /// The document is larger than any real one.
    #[error("the GPU facts have {size_bytes} bytes, and at most {SIZE_LIMIT} are read")]
    TooLarge {
        /// Size of the document in bytes.
        size_bytes: usize,
    },
    /// The bytes are not a document of GPU facts.
    #[error("the GPU facts are not a document of schema {SCHEMA}")]
    NotADocument(#[source] serde_json::Error),
    /// The document could not be written.
    #[error("the GPU facts could not be written as JSON")]
    CannotWrite(#[source] serde_json::Error),
}

impl CodedError for GpuError {
    fn code(&self) -> Code {
        match self {
            Self::UnknownSchema { .. } | Self::NoSchema => codes::GPU_FACTS_SCHEMA,
            Self::TooLarge { .. } | Self::NotADocument(_) | Self::CannotWrite(_) => codes::GPU_FACTS_MALFORMED,
        }
    }
}
