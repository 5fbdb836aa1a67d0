//! The files that one backup has written, so that a stopped one can be removed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustic_core::FileType;

use crate::change::Change;
use crate::error::Result;
use crate::repository::{Lock, Repository};

/// What refers to others comes before them: an interrupted removal leaves nothing that refers to a missing file.
const KINDS: [FileType; 3] = [FileType::Snapshot, FileType::Index, FileType::Pack];

/// Files that were written, relative to the repository's folder. Its clones are the same list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<PathBuf>>>);

impl Written {
    pub(crate) fn add(&self, file: PathBuf) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(file);
    }

    pub(crate) fn contains(&self, file: &PathBuf) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(file)
    }

    /// Removes all of them, which no other backup refers to: no other one is stored beside this one that would look for its data. They are
    /// gone from the disk when this returns.
    pub(crate) fn remove(&self, repository: &Repository) -> Result<()> {
        // Before the ledger is written: a disk that is full takes none.
        let lock = repository.lock(Lock::Exclusive)?;
        let files = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for kind in KINDS {
            for file in files.iter().filter(|file| file.starts_with(kind.dirname())) {
                repository.store().remove(file)?;
            }
        }
        drop(lock);
        Change::begin(repository)?.finish()
    }
}
