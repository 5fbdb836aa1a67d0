//! Use of `rustic_core` by this crate: opened without cache and without its own progress, and with errors on one line.

use std::path::Path;
use std::sync::Arc;

use rustic_core::{
    Credentials, IndexedFullStatus, OpenStatus, Repository, RepositoryBackends, RepositoryOptions, RusticError,
};

use crate::error::{BackupError, Result};
use crate::folder::Folder;

/// An open repository whose index has not been read.
pub(crate) type OpenRepository = Repository<OpenStatus>;

/// An open repository with its index in memory: about 60 bytes per blob.
pub(crate) type IndexedRepository = Repository<IndexedFullStatus>;

/// Returns the repository in this folder, not yet open.
pub(crate) fn closed_repository(folder: &Arc<Folder>) -> Result<Repository<()>, Box<RusticError>> {
    let backends = RepositoryBackends::new(folder.clone(), None);
    Repository::new(&RepositoryOptions::default().no_cache(true), &backends)
}

/// Opens the repository in this folder.
pub(crate) fn open(folder: &Arc<Folder>, credentials: &Credentials) -> Result<OpenRepository, Box<RusticError>> {
    closed_repository(folder)?.open(credentials)
}

/// Returns the error of an operation in this folder: the folder's own, which has its code, or else the library's.
pub(crate) fn failure(folder: &Folder, doing: &'static str, error: Box<RusticError>) -> BackupError {
    match folder.take_failure() {
        Some(own) => own,
        None => BackupError::Library { doing, folder: folder.root().to_owned(), source: error.into() },
    }
}

/// Returns the error of an operation that can fail only because of damage.
pub(crate) fn damage(folder: &Path, what: impl Into<String>, error: Box<RusticError>) -> BackupError {
    BackupError::Damaged { folder: folder.to_owned(), what: what.into(), source: Some(error.into()) }
}
