//! What operations themselves keep on a host beside the journal: the engine, the release's head, the marks. Placed before
//! the first record, removed after the last; no journal names them in between.

use landfall_media::durable;

use super::bundle::TrustedRelease;
use super::error::Result;
use super::marks::Marks;
use super::{Operations, engine_file};
use landfall_agent as node;
use landfall_bundle_spec::Sha256;
use landfall_engine::journal::{JournalError, JournalErrorKind, SiteLock};

impl Operations {
    /// Keeps the running program and the release's head, durably; returns the program's digest.
    pub(super) fn place_own_files(&self, release: &TrustedRelease) -> Result<Sha256> {
        let head = self.head_file(release.verified.id());
        head.parent().map_or(Ok(()), durable::create_folder)?;
        durable::write_file(&head, release.verified.head_bytes(), 0o644)?;
        engine_file::place(&self.paths)
    }

    /// Removes all that no step took back, the journals last. A rerun completes what a power cut left.
    pub(super) fn clear(&self, lock: SiteLock, keep_data: bool) -> Result<()> {
        if !keep_data {
            // The volumes of pods that are gone.
            durable::remove_tree(&self.paths.storage())?;
        }
        Marks::remove(&self.paths)?;
        durable::remove_tree(&engine_file::folder(&self.paths))?;
        durable::remove_tree(&self.paths.releases())?;
        durable::remove_leftovers(&self.paths.settings())?;
        durable::remove_own_folder(&self.paths.settings())?;
        self.journals().remove(lock)?;
        durable::remove_leftovers(&self.paths.data())?;
        // A folder that was here before, above all one that a disk is mounted on, is not ours to remove.
        Ok(durable::remove_own_folder(&self.paths.data())?)
    }

    /// An error if there is a site and nothing that says how it came about; another if that is on a disk that is not
    /// mounted.
    pub(super) fn check_not_missing(&self) -> Result<()> {
        if self.paths.settings_uuid().exists() && !self.paths.data_uuid().exists() {
            node::check_identity(&self.paths)?;
        }
        if self.paths.data_uuid().exists() || self.paths.settings_uuid().exists() {
            let (data, folder) = (self.paths.data(), self.paths.journal());
            return Err(JournalError::from(JournalErrorKind::Missing { data, folder }).into());
        }
        Ok(())
    }
}
