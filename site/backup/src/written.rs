//! Files that one backup has written, so that those of a stopped one can be removed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustic_core::FileType;

use crate::change::Change;
use crate::error::Result;
use crate::repository::{Lock, Repository};

/// Kinds of files, referring ones first: an interrupted removal leaves nothing that refers to a missing file.
const KINDS: [FileType; 3] = [FileType::Snapshot, FileType::Index, FileType::Pack];

/// Written files, relative to the repository's folder. Clones share the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<PathBuf>>>);

impl Written {
    pub(crate) fn add(&self, file: PathBuf) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(file);
    }

    pub(crate) fn contains(&self, file: &PathBuf) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(file)
    }

    /// Removes all of them, durably. No other backup refers to them, because none that would look up their data is
    /// stored concurrently.
    pub(crate) fn remove(&self, repository: &Repository) -> Result<()> {
        // This precedes the ledger, which cannot be written to a full disk.
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
