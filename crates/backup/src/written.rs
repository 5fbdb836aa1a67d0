//! Files that one backup has written, so that a stopped backup's files can be removed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Written files, relative to the repository's folder. Clones share the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct WrittenFiles(Arc<Mutex<Vec<PathBuf>>>);

impl WrittenFiles {
    pub(crate) fn add(&self, file: PathBuf) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(file);
    }

    pub(crate) fn contains(&self, file: &PathBuf) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(file)
    }

    /// Returns the written files, and forgets them.
    pub(crate) fn take(&self) -> Vec<PathBuf> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
