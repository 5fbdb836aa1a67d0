//! Errors of an upload that does not begin, continue or end.

use std::path::PathBuf;

use landfall_documents::failure::FailureCode;
use landfall_engine::step::StepError;
use landfall_error_codes::{Code, CodedError, codes};
use landfall_media::MediaError;
use landfall_media::durable::DurableError;
use landfall_peer::Problem;

/// A result of this module.
pub(super) type Result<T, E = UploadError> = std::result::Result<T, E>;

/// Reason why an upload does not begin, continue or end.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Another upload exists.
    #[error("{by} uploads {name}: {received_bytes} of {size_bytes} bytes had arrived at {continued}")]
    Runs {
        /// Account that began it.
        by: String,
        /// Name of its file.
        name: String,
        /// Bytes that have arrived.
        received_bytes: u64,
        /// Total bytes of the upload.
        size_bytes: u64,
        /// Time when the last bytes arrived, RFC 3339 in UTC.
        continued: String,
    },
    /// No upload has this ID.
    #[error("there is no upload {0}")]
    Unknown(String),
    /// A piece does not follow the earlier bytes.
    #[error("{received_bytes} bytes of the upload have arrived, and a piece for byte {offset} came")]
    Offset {
        /// Offset of the piece.
        offset: u64,
        /// Required offset of the next piece.
        received_bytes: u64,
    },
    /// A piece goes beyond the end.
    #[error("the upload was announced with {size_bytes} bytes, and a piece up to byte {end} came")]
    TooLong {
        /// End of the piece.
        end: u64,
        /// Total bytes of the upload.
        size_bytes: u64,
    },
    /// There is no space for it.
    #[error("{} has room for {room_bytes} bytes, and the bundle has {needed_bytes}", folder.display())]
    NoRoom {
        /// The folder.
        folder: PathBuf,
        /// Bytes of the bundle.
        needed_bytes: u64,
        /// Free bytes without the reserve.
        room_bytes: u64,
    },
    /// The filesystem has become full.
    #[error("{} is full but for the reserve of the site's databases; what has arrived of the upload is kept",
        .0.display())]
    Full(PathBuf),
    /// An open change reads it.
    #[error("an open change reads the upload")]
    Needed,
    /// The arrived data is refused and removed.
    #[error("{}", .0.title)]
    Refused(Box<Problem>),
    /// The arrived data could not be judged.
    #[error("{}", .0.title)]
    Unjudged(Box<Problem>),
    /// The file could not be written.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The record of the upload could not be written.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// The filesystem could not be examined.
    #[error(transparent)]
    Look(#[from] StepError),
}

/// Advice for a full filesystem.
const MAKE_ROOM: &str = "Free space on the filesystem of /var/lib/landfall, then continue the upload; or remove it, \
    and bring the bundle on a stick.";

impl UploadError {
    /// Returns true if nothing of the upload is kept.
    pub(super) fn ends_upload(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Media(error) => error.is_fatal(),
            Self::Durable(error) => error.is_fatal(),
            _ => false,
        }
    }

    /// Returns the problem as the host API reports it.
    pub fn problem(&self) -> Problem {
        let status = match self {
            Self::Refused(problem) | Self::Unjudged(problem) => return (**problem).clone(),
            Self::Runs { .. } | Self::Offset { .. } | Self::Needed => 409,
            Self::Unknown(_) => 404,
            Self::TooLong { .. } | Self::NoRoom { .. } => 413,
            Self::Full(_) => 507,
            error if error.code() == codes::NO_SPACE => 507,
            Self::Media(_) | Self::Durable(_) | Self::Look(_) => 503,
        };
        let code = self.code();
        Problem {
            status,
            title: self.to_string(),
            detail: std::error::Error::source(self).map(ToString::to_string),
            code: Some(code.into()),
            hint: Some(self.hint().unwrap_or_else(|| code.fix.to_owned())),
        }
    }
}

impl CodedError for UploadError {
    fn code(&self) -> Code {
        match self {
            Self::Runs { .. } => codes::UPLOAD_RUNS,
            Self::Unknown(_) => codes::NOT_THERE,
            Self::Offset { .. } => codes::UPLOAD_OFFSET,
            Self::TooLong { .. } => codes::UPLOAD_TOO_LONG,
            Self::NoRoom { .. } | Self::Full(_) => codes::NO_SPACE,
            Self::Needed => codes::UPLOAD_NEEDED,
            Self::Refused(problem) | Self::Unjudged(problem) => registered_code(problem),
            Self::Media(error) => error.code(),
            Self::Durable(error) => error.code(),
            Self::Look(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        (self.code() == codes::NO_SPACE).then(|| MAKE_ROOM.to_owned())
    }
}

/// Returns the registry's entry for another process's problem.
fn registered_code(problem: &Problem) -> Code {
    problem.code.as_ref().and_then(FailureCode::known).unwrap_or(codes::CHANGE_QUESTION)
}
