//! Copies of the backups on other disks and in buckets. Each backup is copied to the places in the settings; a person
//! may also name a place. A bucket is named `s3:NAME` instead of a folder.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use landfall_backup::Repository;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::{CodedError, codes};
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::backup::BackupCheckReport;
use super::error::Result;
use landfall_site::backups::{BackupCopies, Copies, CopyRecords, shut_out_former};
use landfall_site::pins::Pins;

/// Folders and buckets that now have every proven backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CopiedBackups {
    /// Folders and buckets, in the order of the settings or of the command line.
    pub copies: Vec<BackupCopies>,
}

impl Operations {
    /// Copies the missing proven backups to each of these folders and buckets, or to those of the site's settings. Does
    /// not need the cluster.
    pub fn copy_backups(&self, folders: &[PathBuf]) -> Result<CopiedBackups> {
        self.changeable(&self.idle_history()?)?;
        let _lock = self.journals().lock("backup copy")?;
        // Another operation may have run between the first check and the lock.
        let history = self.history()?;
        let pins = self.changeable(&history)?;
        let folders = if folders.is_empty() { pins.settings.backups.copy_places() } else { folders.to_vec() };
        if folders.is_empty() {
            let what = "the site's settings name no folder and no bucket for copies";
            let hint = "Name one: `landfall backup copy /mnt/vault`. Or set backups.copies in site.yaml, then run \
                `landfall configure`.";
            return Err(StepError::new(codes::BACKUP_COPY_PLACE, what).hint(hint.to_owned()).into());
        }
        let repository = self.repository()?;
        // An exchange of keys may have been interrupted.
        shut_out_former(&self.paths, &repository)?;
        self.copy_to_each(pins, &repository, &folders)
    }

    /// Reads all data of all copies in a folder or bucket. The report names damage, which is not an error. No later
    /// copy relies on damaged data.
    pub fn check_copies(&self, folder: &Path) -> Result<BackupCheckReport> {
        let history = self.history()?;
        let copies = self.copies(self.changeable(&history)?).open(folder)?;
        self.check_repository(&copies)
    }

    /// Copies to each folder and bucket. One that fails does not stop the others.
    pub(super) fn copy_to_each(
        &self,
        pins: &Pins,
        repository: &Repository,
        folders: &[PathBuf],
    ) -> Result<CopiedBackups> {
        let (mut copies, mut failures) = (Vec::new(), Vec::new());
        let mut records = CopyRecords::of(&self.paths);
        for folder in folders {
            let outcome = self.copies(pins).bring_up_to_date(repository, folder);
            records.note(folder, outcome.as_ref(), Timestamp::now());
            match outcome {
                Ok(current) => copies.push(current),
                Err(error) => failures.push((folder, error)),
            }
        }
        if !folders.is_empty() {
            records.write(&pins.settings.backups.copy_places())?;
        }
        if failures.len() > 1 && failures.iter().all(|(_, error)| error.code() != codes::SYNC_FAILED) {
            let causes: Vec<String> = failures
                .iter()
                .map(|(folder, error)| format!("{}: {}", folder.display(), with_causes(error)))
                .collect();
            let what = format!("{} places did not get what they lack: {}", failures.len(), causes.join("; "));
            return Err(StepError::new(codes::BACKUP_NOT_COPIED, what).into());
        }
        failures.sort_by_key(|(_, error)| error.code() != codes::SYNC_FAILED);
        match failures.into_iter().next() {
            Some((_, error)) => Err(error.into()),
            None => Ok(CopiedBackups { copies }),
        }
    }

    pub(super) fn copies<'a>(&'a self, pins: &'a Pins) -> Copies<'a> {
        Copies {
            paths: &self.paths,
            node: &pins.place.node().name,
            buckets: &pins.settings.backups.buckets,
            retention: pins.settings.backups.retention(),
            progress: &*self.progress,
        }
    }
}
