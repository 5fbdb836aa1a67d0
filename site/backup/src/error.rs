//! What can go wrong with a backup repository. Every error names the folder or file; `Display` never repeats the source.

use std::io;
use std::path::{Path, PathBuf};

use landfall_error_codes::{Code, Coded, cases, codes};
use landfall_media::durable::DurableError;
use uuid::Uuid;

use crate::backup::{Backup, BackupId};
use crate::library::LibraryError;
use crate::names::StreamName;
use crate::store::BucketError;

/// A result of this crate.
pub type Result<T, E = BackupError> = std::result::Result<T, E>;

/// What went wrong, on which file, stream or backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A durable write failed, or fatally did not sync.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// A file or folder could not be read.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried, as a verb: `read`.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A bucket cannot be used.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The file of the key does not exist.
    #[error("the key of the backup repository, {}, does not exist", .0.display())]
    KeyMissing(PathBuf),
    /// The file of the key holds something else.
    #[error("{} is not the key of a backup repository, which has 64 hexadecimal digits", .0.display())]
    KeyMalformed(PathBuf),
    /// A new key would replace one.
    #[error("{} exists already", .0.display())]
    KeyExists(PathBuf),
    /// There is nothing to open.
    #[error("{} holds no backup repository", .0.display())]
    NoRepository(PathBuf),
    /// A new repository would be mixed with other files.
    #[error("{} cannot become a backup repository: it holds {found}", folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
        /// What is in it.
        found: String,
    },
    /// The repository has another key.
    #[error("the key does not open the backup repository in {}", .0.display())]
    WrongKey(PathBuf),
    /// The repository has another owner.
    #[error("the backup repository in {} belongs to the site {found}, not to {expected}", folder.display())]
    OtherSite {
        /// The folder.
        folder: PathBuf,
        /// Whose it is.
        found: Uuid,
        /// Whose it should be.
        expected: Uuid,
    },
    /// Something in the repository is lost or changed.
    #[error("the backup repository in {} is damaged: {what}", folder.display())]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// What, and where.
        what: String,
        /// What the library said, if it was asked.
        #[source]
        source: Option<LibraryError>,
    },
    /// Another process changes or checks the repository.
    #[error("another operation is using the backup repository in {}", .0.display())]
    InUse(PathBuf),
    /// What should be stored could not be read to its end.
    #[error("the stream {name} ended with an error; its backup was not made")]
    Stream {
        /// Which.
        name: StreamName,
        /// What its reader said.
        #[source]
        source: io::Error,
    },
    /// More of the disk would have been taken than a backup may take.
    #[error("the backup was stopped before it filled the disk of {}: {short}", folder.display())]
    NoRoom {
        /// The repository's folder.
        folder: PathBuf,
        /// What is free, and what must stay free.
        short: String,
    },
    /// No backup has this id.
    #[error("the backup repository in {} has no backup {id}", folder.display())]
    NoBackup {
        /// The folder.
        folder: PathBuf,
        /// What was asked for.
        id: BackupId,
    },
    /// A backup that should be dropped for what it has lost has lost nothing.
    #[error("the backup {id} in {} has lost nothing", folder.display())]
    NotLost {
        /// The folder.
        folder: PathBuf,
        /// Which.
        id: BackupId,
    },
    /// The backup has no stream of this name.
    #[error("the backup {id} has no stream {name}")]
    NoStream {
        /// The backup.
        id: BackupId,
        /// What was asked for.
        name: StreamName,
    },
    /// A name or fact that a backup cannot have.
    #[error("a backup cannot have {name:?}: {why}")]
    Name {
        /// What was given.
        name: String,
        /// The rule.
        why: &'static str,
    },
    /// The library of the format could not do something.
    #[error("cannot {doing} in {}", folder.display())]
    Library {
        /// What was tried, as a verb and its object: `store a backup`.
        doing: &'static str,
        /// The folder.
        folder: PathBuf,
        /// What it said.
        #[source]
        source: LibraryError,
    },
    /// Backups were dropped, but what only they needed is still stored.
    #[error("{} backups were dropped, but their space was not freed", dropped.len())]
    NotFreed {
        /// The backups that no longer exist.
        dropped: Vec<Backup>,
        /// Why.
        #[source]
        source: Box<BackupError>,
    },
    /// A bug in Landfall.
    #[error("backup: {0}")]
    Bug(String),
}

impl BackupError {
    /// Whether the process must end, because a disk can no longer be trusted.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Durable(error) => error.is_fatal(),
            Self::NotFreed { source, .. } => source.is_fatal(),
            _ => false,
        }
    }

    /// Whether the disk takes no more, or should not.
    pub fn is_out_of_room(&self) -> bool {
        matches!(self, Self::NoRoom { .. }) || (!self.is_fatal() && self.code() == codes::NO_SPACE)
    }

    /// Whether it is of the disk or the bucket that is written to, so that whatever is written next fails, too.
    pub fn is_of_place(&self) -> bool {
        matches!(self, Self::Durable(_) | Self::Bucket(_))
    }

    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        match source.downcast::<BucketError>() {
            Ok(error) => Self::Bucket(error),
            Err(source) => Self::Io { operation, path: path.to_owned(), source },
        }
    }

    pub(crate) fn name(name: &str, why: &'static str) -> Self {
        Self::Name { name: name.to_owned(), why }
    }

    pub(crate) fn damaged(folder: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { folder: folder.to_owned(), what: what.into(), source: None }
    }
}

impl Coded for BackupError {
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
            Self::Name { .. } => codes::BACKUP_NAME,
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
