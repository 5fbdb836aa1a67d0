//! What can be wrong with a model's files.

use landfall_error_codes::{Code, Coded, codes};

use crate::limits;

/// A model that cannot be read: which file, and why.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A header is refused.
    #[error("the header of {file} is refused")]
    Header {
        /// The file, as its artifact names it.
        file: String,
        /// What is wrong with it.
        #[source]
        source: HeaderError,
    },
    /// A pointer of Git LFS is in place of a file.
    #[error("{file} is a pointer of Git LFS, not the file itself")]
    Pointer {
        /// The file.
        file: String,
    },
    /// An index names files that are not there.
    #[error("{index} names {file}, which is not there: {missing} of its {named} files are missing")]
    ShardMissing {
        /// The index.
        index: String,
        /// The first of the missing files.
        file: String,
        /// How many files are missing.
        missing: usize,
        /// How many files the index names.
        named: usize,
    },
    /// There are more models than one release can have.
    #[error("there are {found} models, and at most {} are read", limits::MODELS)]
    TooMany {
        /// How many there are.
        found: usize,
    },
    /// A folder has too many entries.
    #[error("{folder} has more than {limit} files and folders")]
    TooManyFiles {
        /// The folder.
        folder: String,
        /// How many are looked at.
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

/// Why the header of a weights file is refused.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The file could not be read, or ends within its header.
    #[error("it cannot be read to its end")]
    Read(#[from] std::io::Error),
    /// The header is longer than any real one.
    #[error("it claims {bytes} bytes, and at most {limit} are read")]
    TooLong {
        /// What it claims, or has at least.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The header would end after the file does.
    #[error("it claims {claimed} bytes, and the file has {file_bytes}")]
    BeyondFile {
        /// What the header and the data claim to need.
        claimed: u64,
        /// The size of the file.
        file_bytes: u64,
    },
    /// It is not the JSON that safetensors prescribes.
    #[error("it is not what safetensors prescribes")]
    Json(#[source] serde_json::Error),
    /// The file is not GGUF, or of a version that is not known.
    #[error("it is not GGUF of version 2 or 3")]
    NotGguf,
    /// Something is counted that no model has so often.
    #[error("it has {count} {what}, and at most {limit} are read")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// How many there are, or at least.
        count: u64,
        /// The limit.
        limit: u64,
    },
    /// A text, a type or a value is malformed.
    #[error("{0}")]
    Malformed(String),
    /// Type and shape of a tensor need another number of bytes than the header gives it.
    #[error("the tensor {tensor:?} needs {needed} bytes by type and shape, and has {given}")]
    WrongSize {
        /// Its name.
        tensor: String,
        /// What it needs.
        needed: u64,
        /// What the header gives it.
        given: u64,
    },
    /// The size of a tensor exceeds all bounds.
    #[error("the size of the tensor {tensor:?} cannot be computed from its type and shape")]
    Uncountable {
        /// Its name.
        tensor: String,
    },
    /// Two tensors share bytes.
    #[error("the tensors {first:?} and {second:?} overlap")]
    Overlap {
        /// The one that begins earlier.
        first: String,
        /// The other one.
        second: String,
    },
    /// Bytes before a tensor, or after the last one, belong to none.
    #[error("{bytes} bytes of the data belong to no tensor")]
    Hole {
        /// How many.
        bytes: u64,
    },
    /// Two tensors have one name.
    #[error("the name {0:?} occurs twice")]
    Twice(String),
}

impl Coded for ModelError {
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
