//! Exchanges the key of the backups for another one: here, and in every reachable copy.

use std::path::{Path, PathBuf};

use landfall_backup::Repository;
use landfall_engine::causes::with_causes;
use landfall_engine::journal::SiteLock;
use landfall_engine::step::StepError;
use landfall_media::progress::Event;
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::error::Result;
use landfall_site::backups::{BackupFolder, CopyRecords, admit_new_key, shut_out_former};
use landfall_site::pins::Pins;

/// Key that replaces the previous one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewKey {
    /// Folder of the repository.
    pub repository: String,
    /// The key, which is also restic's password.
    pub key: String,
    /// Folders and buckets of the site's settings whose copies only the previous key opens, until the next copy there.
    pub waiting: Vec<WaitingCopy>,
}

/// Copies that did not get the new key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitingCopy {
    /// Folder, or `s3:NAME` of a bucket.
    pub folder: PathBuf,
    /// Reason why they did not get it.
    pub reason: String,
}

/// A half-finished exchange: both keys open the repository until a person has the new one.
#[must_use = "until it is finished, the previous key also opens the backups"]
pub struct KeyExchange<'a> {
    operations: &'a Operations,
    pins: Pins,
    new: NewKey,
    /// Folders whose copies both keys open.
    reached: Vec<PathBuf>,
    _lock: SiteLock,
}

/// Result of shutting out the previous key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShutOut {
    /// Number of passwords that a person added with restic and that still open the repository.
    pub other_passwords: usize,
    /// Folders and buckets of the site's settings whose copies the previous key still opens.
    pub waiting: Vec<PathBuf>,
}

impl Operations {
    /// First half of an exchange: creates a key that opens the repository and every reachable copy. The former key also
    /// opens them until [`KeyExchange::finish`]. On the disks on return. Unreachable copies do not fail: they get the
    /// new key with their next copy.
    pub fn exchange_key(&self) -> Result<KeyExchange<'_>> {
        self.changeable(&self.idle_history()?)?;
        let lock = self.journals().lock("backup key rotate")?;
        // Another operation may have run between the first check and the lock.
        let history = self.history()?;
        let pins = self.changeable(&history)?.clone();
        admit_new_key(&self.paths, &self.repository()?)?;
        // Opened again, with the new key.
        let repository = self.repository()?;
        let (mut reached, mut waiting) = (Vec::new(), Vec::new());
        for folder in pins.settings.backups.copy_places() {
            match self.copies(&pins).admit_key(&repository, &folder) {
                Ok(Some(_)) => reached.push(folder),
                Ok(None) => {}
                Err(error) => waiting.push(WaitingCopy { folder, reason: with_causes(&error) }),
            }
        }
        // Until the exchange is finished, the previous key also opens the reached copies.
        let waits = |folder: &Path| waiting.iter().any(|copy: &WaitingCopy| copy.folder == folder);
        self.note_former_keys(&pins, |folder| waits(folder) || reached.iter().any(|one| one == folder))?;
        let key = BackupFolder::of(&self.paths).recovery_key()?.unwrap_or_default();
        let new = NewKey { repository: self.paths.backup_repository().display().to_string(), key, waiting };
        Ok(KeyExchange { operations: self, pins, new, reached, _lock: lock })
    }

    /// Records for every copy place whether a former key still opens the copies there.
    fn note_former_keys(&self, pins: &Pins, opens: impl Fn(&Path) -> bool) -> Result<()> {
        let mut records = CopyRecords::of(&self.paths);
        let places = pins.settings.backups.copy_places();
        for place in &places {
            records.note_former_key(place, opens(place));
        }
        Ok(records.write(&places)?)
    }
}

impl KeyExchange<'_> {
    /// Returns the new key. The exchange may be finished only after a person has seen it.
    pub fn new_key(&self) -> &NewKey {
        &self.new
    }

    /// Second half: the previous key no longer opens the repository or the reached copies. On the disks on return.
    pub fn finish(self) -> Result<ShutOut> {
        let Self { operations, pins, new, reached, _lock } = self;
        let paths = &operations.paths;
        BackupFolder::of(paths).mark_printed()?;
        let repository = operations.repository()?;
        let other_passwords = shut_out_former(paths, &repository)?;
        let mut waiting: Vec<PathBuf> = new.waiting.into_iter().map(|copy| copy.folder).collect();
        for folder in reached {
            if let Err(error) = operations.shut_out_of_copies(&pins, &repository, &folder) {
                let text = format!("the previous key still opens {}: {}", folder.display(), with_causes(&error));
                operations.progress.event(Event::Note(text));
                waiting.push(folder);
            }
        }
        operations.note_former_keys(&pins, |folder| waiting.iter().any(|one| one == folder))?;
        Ok(ShutOut { other_passwords, waiting })
    }
}

impl Operations {
    fn shut_out_of_copies(&self, pins: &Pins, source: &Repository, folder: &Path) -> Result<(), StepError> {
        match self.copies(pins).admit_key(source, folder)? {
            Some(copies) => shut_out_former(&self.paths, &copies).map(drop),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::sample::Vendor;
    use landfall_bundle_spec::trust::KeyKind;
    use landfall_media::durable;

    use super::*;
    use crate::operations::install::tests::{Fixture, release};
    use crate::operations::testing::other_disk;

    #[test]
    fn status_names_copies_with_former_key() {
        let disk = other_disk();
        let (place, away) = (disk.path().join("vault"), disk.path().join("away"));
        let fixture = Fixture::with(&Vendor::new(KeyKind::Ed25519).unwrap(), &release(3));
        fixture.configured_install(|settings| settings.backups.copies = vec![place.clone()]).run().unwrap();
        let operations = &fixture.operations;
        BackupFolder::of(&operations.paths).open_or_create().unwrap();
        durable::create_folder(&place).unwrap();
        operations.copy_backups(&[]).unwrap();
        let is_noted = || CopyRecords::of(&operations.paths).of_folders(std::slice::from_ref(&place))[0].former_key;
        assert!(!is_noted());

        drop(operations.exchange_key().unwrap());
        assert!(is_noted(), "an exchange that is not finished shuts no key out");
        assert!(operations.exchange_key().unwrap().finish().unwrap().waiting.is_empty());
        assert!(!is_noted());

        durable::rename(&place, &away).unwrap();
        let shut_out = operations.exchange_key().unwrap().finish().unwrap();
        assert_eq!((shut_out.waiting.as_slice(), is_noted()), (std::slice::from_ref(&place), true));
        durable::rename(&away, &place).unwrap();
        assert!(operations.exchange_key().unwrap().finish().unwrap().waiting.is_empty());
        assert!(!is_noted(), "the disk is back, and the next exchange shut all former keys out");
    }
}
