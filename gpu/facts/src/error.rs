//! What can go wrong with GPU facts.

use landfall_error_codes::{Code, Coded, codes};

use crate::report::{SCHEMA, SIZE_LIMIT};

/// A result of this crate.
pub type Result<T, E = GpuError> = std::result::Result<T, E>;

/// Why GPU facts cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// The document has another schema.
    #[error("the GPU facts are of schema {found}, and this program reads schema {SCHEMA}")]
    UnknownSchema {
        /// The number that the document has.
        found: String,
    },
    /// The document does not say its schema.
    #[error("the GPU facts do not name their schema")]
    NoSchema,
    /// The document is larger than any real one.
    #[error("the GPU facts have {size_bytes} bytes, and at most {SIZE_LIMIT} are read")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
    },
    /// The bytes are not such a document.
    #[error("the GPU facts are not a document of schema {SCHEMA}")]
    NotADocument(#[source] serde_json::Error),
    /// The document could not be made.
    #[error("the GPU facts could not be written as JSON")]
    CannotWrite(#[source] serde_json::Error),
}

impl Coded for GpuError {
    fn code(&self) -> Code {
        match self {
            Self::UnknownSchema { .. } | Self::NoSchema => codes::GPU_FACTS_SCHEMA,
            Self::TooLarge { .. } | Self::NotADocument(_) | Self::CannotWrite(_) => codes::GPU_FACTS_MALFORMED,
        }
    }
}
