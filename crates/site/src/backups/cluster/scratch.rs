//! Temporary folder beside the backups for a snapshot of etcd while it is saved or tried. The next backup removes what
//! a power cut leaves.

use std::path::PathBuf;

use landfall_engine::step::StepError;
use landfall_host::mounts;
use landfall_host::paths::SitePaths;
use landfall_media::durable;

/// The folder, which is removed on drop. The site's lock excludes other users.
pub(super) struct Scratch {
    paths: SitePaths,
}

impl Scratch {
    /// Creates the folder, empty.
    pub(super) fn begin(paths: &SitePaths) -> Result<Self, StepError> {
        remove(paths)?;
        durable::create_folder_with_mode(&paths.backup_scratch(), 0o700)?;
        Ok(Self { paths: paths.clone() })
    }

    /// Returns the file of a snapshot.
    pub(super) fn snapshot(&self) -> PathBuf {
        self.paths.backup_scratch().join("snapshot.db")
    }

    /// Returns the folder into which a snapshot is restored.
    pub(super) fn restore_folder(&self) -> PathBuf {
        self.paths.backup_scratch().join("restored")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.paths) {
            tracing::warn!(%error, "the folder for a snapshot of etcd stays; the next backup removes it");
        }
    }
}

/// Removes the folder; a missing one is not an error.
pub fn remove(paths: &SitePaths) -> Result<(), StepError> {
    mounts::remove_tree(&paths.backup_scratch())
}
