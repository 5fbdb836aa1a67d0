//! Errors of a backup repository. Every error names the folder or file; `Display` never repeats the source.

mod bucket;
mod library;

use std::io;
use std::path::{Path, PathBuf};

use landfall_error_codes::{Code, CodedError, cases, codes};
use landfall_media::durable::DurableError;
use uuid::Uuid;

pub use self::bucket::{BucketError, Trouble};
pub use self::library::LibraryError;
use crate::backup::{Backup, BackupId};
use crate::names::{NameError, StreamName};

/// Result of this crate.
pub type Result<T, E = BackupError> = std::result::Result<T, E>;

/// Error of a repository, with the affected file, stream or backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A durable write failed, or fatally did not sync.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// A file or folder could not be read.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// The attempted operation, as a verb, such as `read`.
        operation: &'static str,
        /// Its path.
        path: PathBuf,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// A bucket cannot be used.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The key file does not exist.
    #[error("the key of the backup repository, {}, does not exist", .0.display())]
    KeyMissing(PathBuf),
    /// The key file does not contain a key.
    #[error("{} is not the key of a backup repository, which has 64 hexadecimal digits", .0.display())]
    KeyMalformed(PathBuf),
    /// A new key would replace an existing one.
    #[error("{} exists already", .0.display())]
    KeyExists(PathBuf),
    /// No repository exists at this place.
    #[error("{} holds no backup repository", .0.display())]
    NoRepository(PathBuf),
    /// A new repository would be mixed with other files.
    #[error("{} cannot become a backup repository: it holds {found}", folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
        /// An entry found in it.
        found: String,
    },
    /// The repository requires another key.
    #[error("the key does not open the backup repository in {}", .0.display())]
    WrongKey(PathBuf),
    /// The repository belongs to another site.
    #[error("the backup repository in {} belongs to the site {found}, not to {expected}", folder.display())]
    OtherSite {
        /// The folder.
        folder: PathBuf,
        /// The owner found.
        found: Uuid,
        /// The expected owner.
        expected: Uuid,
    },
    /// A part of the repository is lost or changed.
    #[error("the backup repository in {} is damaged: {what}", folder.display())]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// The damage and its place.
        what: String,
        /// The library's error, if it was involved.
        #[source]
        source: Option<LibraryError>,
    },
    /// Another process changes or checks the repository.
    #[error("another operation is using the backup repository in {}", .0.display())]
    InUse(PathBuf),
    /// Data to be stored could not be read completely.
    #[error("the stream {name} ended with an error; its backup was not made")]
    Stream {
        /// Name of the stream.
        name: StreamName,
        /// Error of its reader.
        #[source]
        source: io::Error,
    },
    /// The backup would have used more of the disk than it may.
    #[error("the backup was stopped before it filled the disk of {}: {short}", folder.display())]
    NoRoom {
        /// The repository's folder.
        folder: PathBuf,
        /// The free space, and the space that must stay free.
        short: String,
    },
    /// No backup has this ID.
    #[error("the backup repository in {} has no backup {id}", folder.display())]
    NoBackup {
        /// The folder.
        folder: PathBuf,
        /// The requested ID.
        id: BackupId,
    },
    /// A backup was to be dropped because of its losses, but has lost nothing.
    #[error("the backup {id} in {} has lost nothing", folder.display())]
    NotLost {
        /// The folder.
        folder: PathBuf,
        /// The backup.
        id: BackupId,
    },
    /// The backup has no stream of this name.
    #[error("the backup {id} has no stream {name}")]
    NoStream {
        /// The backup.
        id: BackupId,
        /// The requested name.
        name: StreamName,
    },
    /// A name or fact is not allowed in a backup.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The library of the format failed.
    #[error("cannot {doing} in {}", folder.display())]
    Library {
        /// The attempted operation, as a verb and its object, such as `store a backup`.
        doing: &'static str,
        /// The folder.
        folder: PathBuf,
        /// The library's error.
        #[source]
        source: LibraryError,
    },
    /// Backups were dropped, but data that only they needed is still stored.
    #[error("{} backups were dropped, but their space was not freed", dropped.len())]
    NotFreed {
        /// The dropped backups.
        dropped: Vec<Backup>,
        /// Cause of the failure.
        #[source]
        source: Box<BackupError>,
    },
    /// A bug in Landfall.
    #[error("backup: {0}")]
    Bug(String),
}

impl BackupError {
    /// Returns true if the process must end, because a disk can no longer be trusted.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Durable(error) => error.is_fatal(),
            Self::NotFreed { source, .. } => source.is_fatal(),
            _ => false,
        }
    }

    /// Returns true if the disk accepts no more data, or must not receive more.
    pub fn is_out_of_room(&self) -> bool {
        matches!(self, Self::NoRoom { .. }) || (!self.is_fatal() && self.code() == codes::NO_SPACE)
    }

    /// Returns true if the error concerns the target disk or bucket, so that later writes will also fail.
    pub fn is_of_place(&self) -> bool {
        matches!(self, Self::Durable(_) | Self::Bucket(_))
    }

    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        match source.downcast::<BucketError>() {
            Ok(error) => Self::Bucket(error),
            Err(source) => Self::Io { operation, path: path.to_owned(), source },
        }
    }

    pub(crate) fn damaged(folder: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { folder: folder.to_owned(), what: what.into(), source: None }
    }
}

impl CodedError for BackupError {
    fn code(&self) -> Code {
        match self {
            Self::Durable(error) => error.code(),
            Self::Io { .. } => codes::MEDIA_IO,
            Self::Bucket(error) => error.code(),
            Self::KeyMissing(_) | Self::KeyMalformed(_) | Self::KeyExists(_) => codes::BACKUP_KEY,
            Self::NoRepository(_) => codes::BACKUP_NO_REPOSITORY,
            Self::Occupied { .. } => codes::BACKUP_FOLDER_OCCUPIED,
            Self::WrongKey(_) => codes::BACKUP_WRONG_KEY,
            Self::OtherSite { .. } => codes::BACKUP_OTHER_SITE,
            Self::Damaged { .. } => codes::BACKUP_DAMAGED,
            Self::InUse(_) => codes::BACKUP_IN_USE,
            Self::Stream { .. } => codes::BACKUP_STREAM,
            Self::NoRoom { .. } => codes::BACKUP_STOPPED,
            Self::NotLost { .. } => codes::BACKUP_NOT_LOST,
            Self::NoBackup { .. } | Self::NoStream { .. } => codes::BACKUP_UNKNOWN,
            Self::Name(_) => codes::BACKUP_NAME,
            Self::Library { .. } => codes::BACKUP_LIBRARY,
            Self::NotFreed { .. } => codes::BACKUP_NOT_FREED,
            Self::Bug(_) => codes::BUG,
        }
    }

    fn hint(&self) -> Option<String> {
        let case = match self {
            Self::Durable(error) => return error.hint(),
            Self::Bucket(error) => return error.hint(),
            Self::Io { source, .. } => cases::of_file(source),
            Self::KeyMissing(_) => Some(cases::BACKUP_KEY_MISSING),
            Self::KeyMalformed(_) => Some(cases::BACKUP_KEY_MALFORMED),
            Self::KeyExists(_) => Some(cases::BACKUP_KEY_EXISTS),
            Self::NoBackup { .. } => Some(cases::BACKUP_ID_UNKNOWN),
            Self::NoStream { .. } => Some(cases::BACKUP_STREAM_UNKNOWN),
            _ => None,
        };
        case.map(|case| case.next.to_owned())
    }
}
