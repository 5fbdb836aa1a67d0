//! Errors about a model's files.

use landfall_error_codes::{Code, CodedError, codes};

use crate::limits;

/// The reason why a model cannot be read, with the file.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The header of a file is invalid.
    #[error("the header of {file} is refused")]
    Header {
        /// The file, by its path in the artifact.
        file: String,
        /// The fault in the header.
        #[source]
        source: HeaderError,
    },
    /// There is a Git LFS pointer in place of a file.
    #[error("{file} is a pointer of Git LFS, not the file itself")]
    Pointer {
        /// The file.
        file: String,
    },
    /// An index names missing files.
    #[error("{index} names {file}, which is not there: {missing} of its {named} files are missing")]
    ShardMissing {
        /// Path of the index.
        index: String,
        /// The first of the missing files.
        file: String,
        /// Number of missing files.
        missing: usize,
        /// Number of files in the index.
        named: usize,
    },
    /// There are more models than one release can have.
    #[error("there are {found} models, and at most {} are read", limits::MODELS)]
    TooMany {
        /// Number of models.
        found: usize,
    },
    /// A folder has too many entries.
    #[error("{folder} has more than {limit} files and folders")]
    TooManyFiles {
        /// The folder.
        folder: String,
        /// Maximum number of entries.
        limit: usize,
    },
    /// A file could not be opened.
    #[error("{file} cannot be opened")]
    Open {
        /// The file.
        file: String,
        /// The kernel's error.
        #[source]
        source: std::io::Error,
    },
}

/// The reason why the header of a weights file is invalid.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The file could not be read, or ends within its header.
    #[error("it cannot be read to its end")]
    Read(#[from] std::io::Error),
    /// The header is longer than any real one.
    #[error("it claims {bytes} bytes, and at most {limit} are read")]
    TooLong {
        /// Claimed number of bytes, or a lower bound.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The header extends beyond the end of the file.
    #[error("it claims {claimed} bytes, and the file has {file_bytes}")]
    BeyondFile {
        /// Bytes that the header and the data claim to need.
        claimed: u64,
        /// Size of the file in bytes.
        file_bytes: u64,
    },
    /// The header is not the JSON that safetensors prescribes.
    #[error("it is not what safetensors prescribes")]
    Json(#[source] serde_json::Error),
    /// The file is not GGUF, or has an unknown version.
    #[error("it is not GGUF of version 2 or 3")]
    NotGguf,
    /// A count exceeds that of any real model.
    #[error("it has {count} {what}, and at most {limit} are read")]
    TooMany {
        /// The counted items.
        what: &'static str,
        /// Number of items, or a lower bound.
        count: u64,
        /// The limit.
        limit: u64,
    },
    /// A text, a type or a value is malformed.
    #[error("{0}")]
    Malformed(String),
    /// The header gives a tensor a number of bytes that does not match its type and shape.
    #[error("the tensor {tensor:?} needs {needed} bytes by type and shape, and has {given}")]
    WrongSize {
        /// Name of the tensor.
        tensor: String,
        /// Bytes needed by type and shape.
        needed: u64,
        /// Bytes given by the header.
        given: u64,
    },
    /// The size of a tensor is too large to compute.
    #[error("the size of the tensor {tensor:?} cannot be computed from its type and shape")]
    Uncountable {
        /// Name of the tensor.
        tensor: String,
    },
    /// Two tensors share bytes.
    #[error("the tensors {first:?} and {second:?} overlap")]
    Overlap {
        /// Name of the tensor that begins earlier.
        first: String,
        /// Name of the other tensor.
        second: String,
    },
    /// Bytes before a tensor, or after the last one, belong to no tensor.
    #[error("{bytes} bytes of the data belong to no tensor")]
    Hole {
        /// Number of these bytes.
        bytes: u64,
    },
    /// Two tensors have the same name.
    #[error("the name {0:?} occurs twice")]
    Twice(String),
}

impl CodedError for ModelError {
    fn code(&self) -> Code {
        match self {
            Self::Header { .. } => codes::MODEL_HEADER,
            Self::Pointer { .. } => codes::PLACEHOLDER,
            Self::ShardMissing { .. } => codes::SHARD_MISSING,
            Self::TooMany { .. } | Self::TooManyFiles { .. } => codes::MODEL_COUNT,
            Self::Open { .. } => codes::MODEL_UNREADABLE,
        }
    }
}
