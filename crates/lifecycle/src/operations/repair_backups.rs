//! Repair of damaged backups, from a copy or by the next backup, and the check before each backup.

use std::path::Path;

use landfall_backup::{BackupId, BackupLoss, Damage, Repository};
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::{cases, codes};
use landfall_media::progress::Event;
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::error::Result;
use landfall_site::backups::{BackupFolder, unusable};

/// Bytes of packs that are read before each backup. If a repository has more than seven times as many, it is a seventh
/// of them. At 200 MB per second, this takes at most 23 minutes, or a seventh of a full check.
const BYTES_BEFORE_BACKUP: u64 = 256 << 30;

/// Advice for backups that have lost data.
const NEXT_STEP: &str = "Run `landfall backup repair PLACE` with a place that has copies. Without one, run `landfall \
    backup run`: what still exists is stored again. What remains lost is reported, and nothing is freed, until these \
    backups go: `landfall backup forget --lost` removes them.";

/// Result of a repair of the backups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepairedBackups {
    /// All files that were damaged before the repair, each with the data that could no longer be restored.
    pub damages: Vec<String>,
    /// IDs of backups that had lost data, and can be restored now.
    pub healed: Vec<String>,
    /// Backups that still lack data, each with its lost streams.
    pub lost: Vec<LostBackup>,
}

/// Backups that a person gave up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForgottenBackups {
    /// Losses of each of these backups.
    pub forgotten: Vec<LostBackup>,
    /// Bytes that were freed immediately. The remaining unneeded data is freed after 23 hours at the earliest.
    pub freed_bytes: u64,
}

/// Losses of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LostBackup {
    /// ID of the backup.
    pub backup: String,
    /// Read time of its data, RFC 3339 in UTC, if that is still known.
    pub time: Option<String>,
    /// Streams and documents that can no longer be read; an empty list means everything.
    pub streams: Vec<String>,
}

impl RepairedBackups {
    /// Returns the error of a repair that leaves losses.
    pub fn refusal(&self) -> Option<StepError> {
        lost_error(self.lost.len(), &self.damages)
    }
}

impl From<&BackupLoss> for LostBackup {
    fn from(taken: &BackupLoss) -> Self {
        Self {
            backup: taken.backup.to_string(),
            time: taken.time.map(|time| format!("{time:.0}")),
            streams: taken.streams.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Operations {
    /// Reads all backups and repairs damage from the copies in this place, if given. Data that no copy has no longer
    /// counts as stored, so the next backup stores it again if it still exists. On the disk on return.
    pub fn repair_backups(&self, copy: Option<&Path>) -> Result<RepairedBackups> {
        let folder = BackupFolder::of(&self.paths);
        // A lost config is reported, and the code below writes it again.
        let lost_config = folder.open().err().map(|error| with_causes(&error));
        let repository = folder.open_damaged()?;
        let repository = repository.ok_or_else(|| StepError::of(cases::BACKUPS_NONE, "this site has no backups"))?;
        let copies = match copy {
            Some(place) => {
                let history = self.history()?;
                vec![self.copies(self.changeable(&history)?).open(place)?]
            }
            None => Vec::new(),
        };
        let repaired = repository.repair(&copies, &*self.progress).map_err(unusable)?;
        Ok(RepairedBackups {
            damages: lost_config.into_iter().chain(repaired.found.iter().map(Damage::to_string)).collect(),
            healed: repaired.healed.iter().map(BackupId::to_string).collect(),
            lost: repaired.lost.iter().map(LostBackup::from).collect(),
        })
    }

    /// Returns the known losses of backups, without reading packs. Changes nothing.
    pub fn lost_backups(&self) -> Result<Vec<LostBackup>> {
        let lost = self.repository()?.losses().map_err(unusable)?;
        Ok(lost.iter().map(LostBackup::from).collect())
    }

    /// Drops these backups, each of which has lost data, and frees the data that only they needed. Their remaining data
    /// is lost as well. `confirmation` must be the site's name. On the disk on return.
    pub fn forget_lost(&self, lost: Vec<LostBackup>, confirmation: &str) -> Result<ForgottenBackups> {
        self.confirm(confirmation)?;
        let ids = lost.iter().map(|lost| lost.backup.parse::<BackupId>());
        let named = ids.collect::<std::result::Result<_, _>>().map_err(unusable)?;
        let forgotten = self.repository()?.forget_lost(&named).map_err(unusable)?;
        Ok(ForgottenBackups { forgotten: lost, freed_bytes: forgotten.freed_bytes })
    }

    /// Reads stored data before a backup relies on it, and reports all damage. A failed check does not stop the backup.
    pub(super) fn check_tonight(&self) -> Vec<String> {
        let folder = BackupFolder::of(&self.paths);
        if !folder.exists() {
            return Vec::new();
        }
        let mut damages = Vec::new();
        // A lost config is reported, and the code below writes it again.
        if let Err(error) = folder.open() {
            damages.push(with_causes(&error));
        }
        let found = folder.open_damaged().and_then(|repository| match repository {
            Some(repository) => repository.check_round(BYTES_BEFORE_BACKUP, &*self.progress).map_err(unusable),
            None => Ok(Vec::new()),
        });
        match found {
            Ok(found) => damages.extend(found.iter().map(Damage::to_string)),
            Err(error) => damages.push(format!("the backups cannot be read: {}", with_causes(&error))),
        }
        for damage in &damages {
            self.progress.event(Event::Note(damage.clone()));
        }
        damages
    }
}

/// Fails if damage was found and backups have lost data. The new backup is stored in any case.
pub(super) fn refuse_lost(repository: &Repository, damages: &[String]) -> Result<()> {
    if damages.is_empty() {
        return Ok(());
    }
    match lost_error(repository.losses().map_err(unusable)?.len(), damages) {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

fn lost_error(count: usize, damages: &[String]) -> Option<StepError> {
    let backups = if count == 1 { "1 backup has".to_owned() } else { format!("{count} backups have") };
    let what = format!("{backups} lost data: {}", damages.join("; "));
    (count > 0).then(|| StepError::new(codes::BACKUP_LOST, what).hint(NEXT_STEP.to_owned()))
}

#[cfg(test)]
mod tests {
    use landfall_backup::{BackupKind, NewBackup};
    use landfall_error_codes::CodedError as _;
    use landfall_media::durable;

    use super::*;
    use crate::operations::testing::operations;

    #[test]
    fn damage_and_lost_data_are_named() {
        let (_root, operations) = operations();
        let paths = operations.paths.clone();
        durable::create_folder(&paths.data()).unwrap();
        durable::write_file(&paths.data_uuid(), b"00000000-0000-0000-0000-000000000007\n", 0o644).unwrap();
        let repository = BackupFolder::of(&paths).open_or_create().unwrap();
        let documents = vec![("site.json".parse().unwrap(), b"{}".to_vec())];
        let (kind, time) = (BackupKind::Full, "2026-11-20T02:00:00Z".parse().unwrap());
        repository.save(NewBackup { kind, time, facts: [].into(), streams: Vec::new(), documents }).unwrap();
        assert_eq!(operations.check_tonight(), Vec::<String>::new());
        for folder in fs_err::read_dir(repository.folder().join("data")).unwrap() {
            for pack in fs_err::read_dir(folder.unwrap().path()).unwrap() {
                durable::remove_file(&pack.unwrap().path()).unwrap();
            }
        }
        let damages = operations.check_tonight();
        assert!(damages.iter().any(|damage| damage.contains("data/") && damage.contains("is missing")), "{damages:?}");
        let refused = refuse_lost(&repository, &damages).unwrap_err();
        assert_eq!(refused.code(), codes::BACKUP_LOST);
        let repaired = operations.repair_backups(None).unwrap();
        assert_eq!((repaired.lost.len(), repaired.healed.len()), (1, 0));
        assert_eq!(repaired.refusal().unwrap().code(), codes::BACKUP_LOST);
    }
}
