//! Where the files of a repository are: in a folder ([`Disk`]), or in a bucket of an S3 server ([`Bucket`]).
//!
//! Files are named relative to the repository, in the layout of restic. A file that is written is whole and durable when the
//! call returns, or is not there.

mod bucket;
mod disk;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustic_core::Id;

pub use self::bucket::{Bucket, BucketAddress, BucketCredentials, BucketError, Trouble};
pub(crate) use self::disk::Disk;
use crate::error::{BackupError, Result};
use crate::folder::{CONFIG, FOLDERS};
use crate::whole;

/// A file of a folder, by its name, with its size in bytes.
pub(crate) type Named = (String, u64);

/// What keeps files.
pub(crate) trait Store: fmt::Debug + Send + Sync {
    /// What messages call it: a folder's path, or a bucket's address.
    fn place(&self) -> &Path;

    /// What is directly in it.
    fn names(&self) -> io::Result<Vec<String>>;

    /// The files of one of its folders, and of folders in that; none if there is no such folder.
    fn list(&self, folder: &str) -> io::Result<Vec<Named>>;

    /// The size of a file; none if there is no such file.
    fn size(&self, file: &Path) -> io::Result<Option<u64>>;

    fn read(&self, file: &Path) -> io::Result<Bytes>;

    fn read_part(&self, file: &Path, offset: u32, length: u32) -> io::Result<Bytes>;

    /// The SHA-256 of a file as it is stored now. `advance` gets the number of bytes of each piece.
    fn digest(&self, file: &Path, advance: &mut dyn FnMut(u64)) -> io::Result<Id> {
        let bytes = self.read(file)?;
        advance(bytes.len() as u64);
        Ok(whole::digest_of_bytes(&bytes))
    }

    /// Reads files that are needed soon, and that never change, several at a time where each takes its time. A file that cannot be
    /// read now is an error when it is needed.
    fn read_ahead(&self, _files: &[PathBuf]) {}

    /// Makes the folder itself, where it is one.
    fn make_root(&self) -> Result<()>;

    /// Makes the folders of an empty repository.
    fn make_folders(&self) -> Result<()>;

    fn write(&self, file: &Path, bytes: &[u8]) -> Result<()>;

    /// A missing file is no error.
    fn remove(&self, file: &Path) -> Result<()>;

    /// Removes what interrupted writes left.
    fn remove_leftovers(&self) -> Result<()>;

    /// The file that is under `flock` while the repository changes; none where no other process of this host can change it.
    fn lock_file(&self) -> Result<Option<File>>;

    /// The file that is under `flock` while data is written or removed; none where no other process of this host does either.
    fn writers_file(&self) -> Result<Option<File>> {
        Ok(None)
    }

    /// Lets memory forget a file that was read whole, where it remembers files.
    fn forget_cached(&self, _file: &Path) {}

    /// Why it no longer answers: whatever was found out since is doubtful.
    fn failure(&self) -> Option<BackupError> {
        None
    }
}

/// Where a repository is, or will be.
#[derive(Debug, Clone)]
pub struct Place(pub(crate) Arc<dyn Store>);

impl Place {
    pub(crate) fn store(self) -> Arc<dyn Store> {
        self.0
    }

    /// What is directly in it.
    pub fn names(&self) -> Result<Vec<String>> {
        self.0.names().map_err(|error| BackupError::io("list", self.0.place(), error))
    }

    /// Every file of a repository below it, relative to it. For a copy of the repository as it is: a name that no repository has is left
    /// out, since a hostile server may give any, and none of these leads out of a folder.
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

    /// The bytes of a file.
    pub fn read(&self, file: &Path) -> Result<Bytes> {
        self.0.read(file).map_err(|error| BackupError::io("read", &self.0.place().join(file), error))
    }
}

/// Whether a name is one of a file in a folder, and nothing else.
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
