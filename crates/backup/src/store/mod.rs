//! Storage of a repository's files: a folder ([`Disk`]), or a bucket of an S3 server ([`Bucket`]).
//!
//! Files are named relative to the repository, in the layout of restic. A written file is complete and durable when the
//! call returns, or does not exist.

mod bucket;
mod disk;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustic_core::Id;

pub use self::bucket::{Bucket, BucketAddress, BucketCredentials};
pub(crate) use self::disk::Disk;
use crate::digest;
use crate::error::{BackupError, Result};
use crate::layout::{CONFIG, FOLDERS};

/// Name of a file within its folder, with its size in bytes.
pub(crate) type ListedFile = (String, u64);

/// Storage of files.
pub(crate) trait Store: fmt::Debug + Send + Sync {
    /// Returns the name for messages: a folder's path, or a bucket's address.
    fn place(&self) -> &Path;

    /// Lists its direct entries.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Lists the files of one of its folders and of the subfolders; empty if the folder does not exist.
    fn list(&self, folder: &str) -> io::Result<Vec<ListedFile>>;

    /// Returns the size of a file; `None` if it does not exist.
    fn size(&self, file: &Path) -> io::Result<Option<u64>>;

    fn read(&self, file: &Path) -> io::Result<Bytes>;

    fn read_part(&self, file: &Path, offset: u32, length: u32) -> io::Result<Bytes>;

    /// Returns the SHA-256 of a file as currently stored. `advance` is called with the number of bytes of each piece.
    fn digest(&self, file: &Path, advance: &mut dyn FnMut(u64)) -> io::Result<Id> {
        let bytes = self.read(file)?;
        advance(bytes.len() as u64);
        Ok(digest::of_bytes(&bytes))
    }

    /// Prefetches files that are needed soon and never change, several at a time if each is slow. A file that cannot be
    /// read now causes an error only when it is needed.
    fn read_ahead(&self, _files: &[PathBuf]) {}

    /// Creates the folder itself, if the store is a folder.
    fn make_root(&self) -> Result<()>;

    /// Creates the folders of an empty repository.
    fn make_folders(&self) -> Result<()>;

    fn write(&self, file: &Path, bytes: &[u8]) -> Result<()>;

    /// Removes a file. A missing file is not an error.
    fn remove(&self, file: &Path) -> Result<()>;

    /// Removes leftovers of interrupted writes.
    fn remove_leftovers(&self) -> Result<()>;

    /// Opens the file that is under `flock` while the repository changes; `None` if no other process on this host can
    /// change it.
    fn lock_file(&self) -> Result<Option<File>>;

    /// Opens the file that is under `flock` while data is written or removed; `None` if no other process on this host
    /// does either.
    fn writers_file(&self) -> Result<Option<File>> {
        Ok(None)
    }

    /// Drops a file that was read completely from the cache, if the store caches files.
    fn forget_cached(&self, _file: &Path) {}

    /// Returns why the store no longer answers: any finding since then is doubtful.
    fn failure(&self) -> Option<BackupError> {
        None
    }
}

/// Location of an existing or future repository.
#[derive(Debug, Clone)]
pub struct Place(pub(crate) Arc<dyn Store>);

impl Place {
    pub(crate) fn store(self) -> Arc<dyn Store> {
        self.0
    }

    /// Lists its direct entries.
    pub fn names(&self) -> Result<Vec<String>> {
        self.0.names().map_err(|error| BackupError::io("list", self.0.place(), error))
    }

    /// Returns every file of a repository below it, as relative paths, for an exact copy of the repository. Names that
    /// no repository has are left out: a hostile server may return any, and the remaining ones never lead out of a
    /// folder.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let at = |error| BackupError::io("list", self.0.place(), error);
        let names = self.names()?;
        let mut found = Vec::new();
        if names.iter().any(|name| name == CONFIG) {
            found.push(PathBuf::from(CONFIG));
        }
        for name in FOLDERS.into_iter().filter(|folder| names.iter().any(|name| name == folder)) {
            let listed = self.0.list(name).map_err(at)?;
            for (file, _) in listed.into_iter().filter(|(file, _)| is_plain(file)) {
                let folder = Path::new(name);
                let folder =
                    if name == "data" { folder.join(file.get(..2).unwrap_or_default()) } else { folder.into() };
                found.push(folder.join(file));
            }
        }
        Ok(found)
    }

    /// Reads a file.
    pub fn read(&self, file: &Path) -> Result<Bytes> {
        self.0.read(file).map_err(|error| BackupError::io("read", &self.0.place().join(file), error))
    }
}

/// Returns true if a name is a plain file name in a folder.
fn is_plain(name: &str) -> bool {
    let mut components = Path::new(name).components();
    let only = (components.next(), components.next());
    matches!(only, (Some(Component::Normal(only)), None) if only == name)
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0.place().display())
    }
}

impl From<&Path> for Place {
    fn from(folder: &Path) -> Self {
        Self(Arc::new(Disk::new(folder)))
    }
}

impl From<&PathBuf> for Place {
    fn from(folder: &PathBuf) -> Self {
        folder.as_path().into()
    }
}

impl From<Bucket> for Place {
    fn from(bucket: Bucket) -> Self {
        Self(Arc::new(bucket))
    }
}

impl From<&Place> for Place {
    fn from(place: &Place) -> Self {
        place.clone()
    }
}
