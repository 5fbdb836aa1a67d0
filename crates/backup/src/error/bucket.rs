//! Errors of a bucket.

use std::io;
use std::path::{Path, PathBuf};

use landfall_error_codes::{Code, CodedError, codes};

/// Kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The settings do not name a valid bucket.
    Address,
    /// The credentials file is missing, is accessible to users other than root, or contains something else.
    Credentials,
    /// The server does not answer, or fails.
    Unreachable,
    /// The server refuses the request.
    Refused,
    /// The server accepts no more data.
    Full,
    /// The server takes too long.
    Slow,
    /// The answer does not conform to S3.
    Answer,
}

/// An error, with its bucket. It contains neither credentials nor a signed address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {}: {said}", .trouble.lead(), .place.display())]
pub struct BucketError {
    place: PathBuf,
    trouble: Trouble,
    said: String,
}

impl BucketError {
    pub(crate) fn new(place: &Path, trouble: Trouble, said: impl Into<String>) -> Self {
        Self { place: place.to_owned(), trouble, said: said.into() }
    }

    /// Returns the kind of the error.
    pub fn trouble(&self) -> Trouble {
        self.trouble
    }
}

impl Trouble {
    fn lead(self) -> &'static str {
        match self {
            Self::Address => "there is no bucket at",
            Self::Credentials => "the credentials cannot be used:",
            Self::Unreachable => "the server does not answer for",
            Self::Refused => "the server refuses a request to",
            Self::Full => "the server has no space left for",
            Self::Slow => "the server is too slow for",
            Self::Answer => "the server does not answer as S3 does for",
        }
    }
}

impl CodedError for BucketError {
    fn code(&self) -> Code {
        match self.trouble {
            Trouble::Address => codes::BACKUP_COPY_PLACE,
            Trouble::Credentials => codes::BUCKET_CREDENTIALS,
            Trouble::Unreachable => codes::BUCKET_UNREACHABLE,
            Trouble::Refused => codes::BUCKET_REFUSED,
            Trouble::Full => codes::BUCKET_FULL,
            Trouble::Slow => codes::BUCKET_SLOW,
            Trouble::Answer => codes::BUCKET_ANSWER,
        }
    }
}

impl From<BucketError> for io::Error {
    fn from(error: BucketError) -> Self {
        Self::other(error)
    }
}
