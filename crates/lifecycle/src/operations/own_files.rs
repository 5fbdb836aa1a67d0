//! Files that operations keep on a host beside the journal: the pinned program, the release's head and the marks. They
//! are placed before the first record and removed after the last. No journal names them in between.

use landfall_media::durable;
use landfall_media::progress::Event;

use landfall_agent as node;
use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::parts::short_id;
use landfall_engine::journal::{JournalError, JournalErrorKind, SiteLock};
use landfall_host::{files, mounts};

use super::bundle::TrustedRelease;
use super::error::Result;
use super::kept::KeptData;
use super::{Operations, engine_file};
use crate::steps::etcd_snapshot;
use crate::steps::stage::INSTALLER_NAME;
use landfall_site::backups::cluster::remove_scratch;
use landfall_site::backups::last_try;
use landfall_site::console::ConsoleFiles;
use landfall_site::content::remove_others;
use landfall_site::license;
use landfall_site::marks::Marks;
use landfall_site::site_secrets::SecretStore;
use landfall_site::uploads;

impl Operations {
    /// Durably keeps the running program and the release's head. Returns the program's digest.
    pub(super) fn place_own_files(&self, release: &TrustedRelease) -> Result<Sha256> {
        let head = self.head_file(release.verified.id());
        head.parent().map_or(Ok(()), durable::create_folder)?;
        durable::write_file(&head, release.verified.head_bytes(), 0o644)?;
        engine_file::place(&self.paths, &self.needed_engines()?)
    }

    /// Removes heads and programs that no journal needs, and former values of secrets. Also removes the `landfall` of
    /// each release of which only the head is needed.
    pub(super) fn remove_strays(&self, lock: &SiteLock) -> Result<()> {
        self.fold_history(lock);
        let history = self.history()?;
        // The needs of an unreadable journal are unknown.
        if let Some(unreadable) = history.unreadable().first() {
            self.progress.event(Event::Note(unreadable.note()));
            return Ok(());
        }
        let heads = history.heads();
        for bundle in heads.difference(&history.with_content()) {
            durable::remove_file(&self.paths.release(&short_id(*bundle)).join(INSTALLER_NAME))?;
        }
        let names = heads.into_iter().map(short_id).collect();
        self.remove_old_secrets(&history)?;
        engine_file::remove_others(&self.paths, &history.engines())?;
        Ok(remove_others(&self.paths.releases(), &names)?)
    }

    /// Removes everything that no step undid, the journals last. Removes data only if it is not kept. A rerun completes
    /// a removal that a power cut interrupted.
    pub(super) fn clear(&self, lock: SiteLock, keep_data: bool) -> Result<()> {
        if keep_data {
            for folder in [self.paths.storage(), self.paths.secrets(), self.paths.backups()] {
                files::remove_folder_if_empty(&folder)?;
            }
        } else {
            KeptData::delete(&self.paths)?;
        }
        if !self.paths.backups().exists() {
            durable::remove_file(&self.paths.backups_begun())?;
        }
        last_try::remove(&self.paths)?;
        engine_file::withdraw_command(&self.paths)?;
        Marks::remove(&self.paths)?;
        license::remove(&self.paths, keep_data)?;
        ConsoleFiles::of(&self.paths).remove()?;
        SecretStore::of(&self.paths).remove_all()?;
        mounts::remove_tree(&engine_file::folder(&self.paths))?;
        mounts::remove_tree(&self.paths.releases())?;
        // Files of later releases, because the install's steps know only their own.
        mounts::remove_tree(&self.paths.files())?;
        mounts::remove_tree(&self.paths.node())?;
        etcd_snapshot::remove(&self.paths)?;
        remove_scratch(&self.paths)?;
        uploads::remove_upload(&self.paths)?;
        durable::remove_tree(&self.paths.console_support())?;
        durable::remove_tree(&self.paths.activity())?;
        durable::remove_leftovers(&self.paths.settings())?;
        durable::remove_own_folder(&self.paths.settings())?;
        self.journals().remove(lock)?;
        durable::remove_leftovers(&self.paths.data())?;
        // A folder that existed before is not removed, above all the mount point of a disk.
        Ok(durable::remove_own_folder(&self.paths.data())?)
    }

    /// Fails if there is a site without a journal, or with a distinct error if its data disk is not mounted.
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
