//! Copies of the backups on other disks and in buckets: proven backups, each with its proof, and log backups. They are
//! in a separate repository that the same key opens. A failed place loses no backup, here or there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use landfall_backup::{BEGINS_LOG, Backup, BackupError, BackupId, Backups, Place, Repository, Retention};
use landfall_documents::backups::BackupSummary;
use landfall_engine::step::StepError;
use landfall_host::paths::SitePaths;
use landfall_media::progress::{Event, Progress};
use schemars::JsonSchema;
use serde::Serialize;

use super::copy_place::{self, refuse_same_disk};
use super::{BackupFolder, exchange, unusable};
use crate::backups::summarize;
use crate::configuration::BucketSettings;

/// Folder or bucket that now has the proven backups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupCopies {
    /// Repository in it: its folder, or its address.
    pub repository: PathBuf,
    /// Backups that were copied now, oldest first.
    pub copied: Vec<BackupSummary>,
    /// Backups that it no longer keeps, oldest first.
    pub dropped: Vec<BackupSummary>,
    /// Number of backups in it.
    pub count: usize,
    /// Read time of the newest copy's data, RFC 3339 in UTC; null if there is no copy.
    pub newest: Option<String>,
}

/// Source and destination of copies.
pub struct Copies<'a> {
    /// Paths of the site.
    pub paths: &'a SitePaths,
    /// Name of the node.
    pub node: &'a str,
    /// Buckets that receive copies.
    pub buckets: &'a [BucketSettings],
    /// Backups that each destination keeps.
    pub retention: Retention,
    /// Receiver of progress.
    pub progress: &'a dyn Progress,
}

impl Copies<'_> {
    /// Copies each proven backup that the place lacks and the retention keeps. First removes backups that the retention
    /// no longer keeps, to free space. A backup that cannot be copied stops no other.
    pub fn bring_up_to_date(&self, source: &Repository, folder: &Path) -> Result<BackupCopies, StepError> {
        let copies = self.open_or_create(source, folder)?;
        // The place may have been unavailable during an exchange of keys.
        exchange::shut_out_former(self.paths, &copies)?;
        let forgotten = copies.forget(self.retention).map_err(unusable);
        let (here, there) = (source.everything().map_err(unusable)?, copies.everything().map_err(unusable)?);
        // The site was adopted from an older copy, so its new backups must follow all backups in the place.
        if let Some(last) = there.last_sequence().filter(|last| Some(*last) > here.last_sequence()) {
            source.continue_after(last).map_err(unusable)?;
        }
        let missing = missing(here, there, self.retention);
        let (mut added, mut failure) = (Vec::new(), None);
        for backup in &missing.full {
            let summary = summarize(backup);
            self.progress.event(Event::Note(format!("copying backup {} to {}", summary.short_id(), folder.display())));
            match source.copy_to(backup.id, &copies) {
                Ok(()) => added.push(summary),
                // The disk or the bucket is full.
                Err(error) if error.is_of_place() => return Err(unusable(error)),
                Err(error) => failure = failure.or(Some(unusable(error))),
            }
        }
        let logs: Vec<_> = missing.logs.iter().map(|log| log.id).collect();
        if let Err(error) = source.copy_all_to(&logs, &copies) {
            failure = failure.or(Some(unusable(error)));
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        let there = copies.backups().map_err(unusable)?;
        Ok(BackupCopies {
            repository: copies.folder().to_owned(),
            copied: added,
            dropped: forgotten?.dropped.iter().filter(|dropped| dropped.is_full()).map(summarize).collect(),
            count: there.len(),
            newest: there.last().map(|backup| format!("{:.0}", backup.time)),
        })
    }

    /// Opens the copies in a place, in any state of the site's own backups, even if only a former key opens them.
    /// Changes nothing.
    pub fn open(&self, place: &Path) -> Result<Repository, StepError> {
        let repository = self.repository(place)?;
        let owner = Repository::owner(&repository).map_err(unusable)?;
        let opened = exchange::open_with_any(self.paths, &repository, owner.unwrap_or_default());
        opened.map(|(repository, _)| repository).map_err(unusable)
    }

    /// Lets the site's key open the copies in a place, if there are any. A former key still opens them as well.
    pub fn admit_key(&self, source: &Repository, place: &Path) -> Result<Option<Repository>, StepError> {
        refuse_same_disk(self.paths, place)?;
        match exchange::open_copies(self.paths, &self.repository(place)?, source.site()) {
            Err(BackupError::NoRepository(_)) => Ok(None),
            opened => opened.map(Some).map_err(unusable),
        }
    }

    fn open_or_create(&self, source: &Repository, place: &Path) -> Result<Repository, StepError> {
        if let Some(copies) = self.admit_key(source, place)? {
            return Ok(copies);
        }
        let key = BackupFolder::of(self.paths).key()?;
        Repository::create(&self.repository(place)?, source.site(), &key).map_err(unusable)
    }

    fn repository(&self, place: &Path) -> Result<Place, StepError> {
        copy_place::repository(self.paths, self.buckets, place, self.node)
    }
}

/// Returns the backups that the copies lack and the retention would keep, including log backups.
pub fn missing(here: Backups, there: Backups, retention: Retention) -> Backups {
    let full = lacking(here.full, &there.full).into_iter().filter(is_copied).collect();
    let missing = Backups { full, logs: lacking(here.logs, &there.logs) };
    let new = missing.full.iter().chain(&missing.logs).cloned();
    let kept = retention.kept_backups(&Backups::of(there.full.into_iter().chain(there.logs).chain(new).collect()));
    let are_kept = |backups: Vec<Backup>| backups.into_iter().filter(|backup| kept.contains(&backup.id)).collect();
    Backups { full: are_kept(missing.full), logs: are_kept(missing.logs) }
}

/// Returns true if a backup is copied: if it is proven, or log backups follow it.
fn is_copied(backup: &Backup) -> bool {
    backup.proof.is_some() || backup.facts.contains_key(BEGINS_LOG)
}

fn lacking(mut here: Vec<Backup>, there: &[Backup]) -> Vec<Backup> {
    let known: BTreeSet<BackupId> = there.iter().map(|copy| copy.id).collect();
    here.retain(|backup| !known.contains(&backup.id));
    here
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use landfall_backup::{BackupKind, NewBackup, Proof};
    use landfall_error_codes::{CodedError, codes};
    use landfall_media::durable;
    use landfall_media::progress::SilentProgress;
    use uuid::Uuid;

    use super::*;
    use crate::backups::folder::tests::host;
    use crate::testing::other_disk;

    const ONE_DAY: Retention = Retention { hourly: 0, daily: 1, weekly: 0, monthly: 0, log_days: 7 };

    fn save(repository: &Repository, time: &str, is_proven: bool) -> Backup {
        save_with(repository, time, is_proven, b"{}")
    }

    fn save_with(repository: &Repository, time: &str, is_proven: bool, data: &[u8]) -> Backup {
        let time: Timestamp = time.parse().unwrap();
        let documents = vec![("site.json".parse().unwrap(), data.to_vec())];
        let facts = [("version".to_owned(), "1.0.0".to_owned())].into();
        let saved =
            repository.save(NewBackup { kind: BackupKind::Full, time, facts, streams: Vec::new(), documents }).unwrap();
        if is_proven { repository.mark_proven(saved.id, Proof { time, report: String::new() }).unwrap() } else { saved }
    }

    #[test]
    fn proven_backups_are_copied_once() {
        let ((_root, paths), disk) = (host(), other_disk());
        let source = BackupFolder::of(&paths).open_or_create().unwrap();
        let copies =
            Copies { paths: &paths, node: "node-1", buckets: &[], retention: ONE_DAY, progress: &SilentProgress };
        save(&source, "2026-11-19T12:00:00Z", true);
        save(&source, "2026-11-20T12:00:00Z", false);
        let made = copies.bring_up_to_date(&source, disk.path()).unwrap();
        assert_eq!((made.copied.len(), made.dropped.len(), made.count), (1, 0, 1));
        assert_eq!(made.repository, disk.path().join("landfall-backups-node-1"));
        let again = copies.bring_up_to_date(&source, disk.path()).unwrap();
        assert_eq!((again.copied.len(), again.count), (0, 1));

        let newest = save(&source, "2026-11-21T12:00:00Z", true);
        assert_eq!(copies.bring_up_to_date(&source, disk.path()).unwrap().count, 2);
        let later = copies.bring_up_to_date(&source, disk.path()).unwrap();
        assert_eq!((later.copied.len(), later.dropped.len(), later.count), (0, 1, 1));
        assert_eq!(copies.open(disk.path()).unwrap().backups().unwrap(), [newest]);
    }

    #[test]
    fn numbers_continue_after_newer_copy() {
        let ((_root, paths), disk) = (host(), other_disk());
        let source = BackupFolder::of(&paths).open_or_create().unwrap();
        let copies = Copies {
            paths: &paths,
            node: "node-1",
            buckets: &[],
            retention: Retention::default(),
            progress: &SilentProgress,
        };
        save(&source, "2026-11-19T12:00:00Z", true);
        copies.bring_up_to_date(&source, disk.path()).unwrap();
        // The lost machine made another backup, which this site does not have.
        let lost = save(&copies.open(disk.path()).unwrap(), "2026-11-20T12:00:00Z", true);
        assert_eq!(copies.bring_up_to_date(&source, disk.path()).unwrap().count, 2);
        let next = save(&source, "2026-11-18T12:00:00Z", true);
        assert!(next.sequence > lost.sequence, "{next:?}");
        let newest = copies.bring_up_to_date(&source, disk.path()).unwrap().newest;
        assert_eq!(newest.as_deref(), Some("2026-11-18T12:00:00Z"));
    }

    #[test]
    fn copies_on_data_disk_are_refused() {
        let (root, paths) = host();
        let source = BackupFolder::of(&paths).open_or_create().unwrap();
        save(&source, "2026-11-19T12:00:00Z", true);
        let copies =
            Copies { paths: &paths, node: "node-1", buckets: &[], retention: ONE_DAY, progress: &SilentProgress };
        for folder in [root.path().to_owned(), root.path().join("not-there")] {
            let refused = copies.bring_up_to_date(&source, &folder).unwrap_err();
            assert_eq!(refused.code(), codes::BACKUP_COPY_PLACE);
        }
        assert!(!root.path().join("landfall-backups-node-1").exists());
    }

    #[test]
    fn lost_backup_blocks_no_other_copy() {
        let ((_root, paths), disk) = (host(), other_disk());
        let source = BackupFolder::of(&paths).open_or_create().unwrap();
        let copies = Copies {
            paths: &paths,
            node: "node-1",
            buckets: &[],
            retention: Retention::default(),
            progress: &SilentProgress,
        };
        // The clock was wrong for a night.
        save(&source, "2030-01-01T12:00:00Z", true);
        assert_eq!(copies.bring_up_to_date(&source, disk.path()).unwrap().count, 1);
        save(&source, "2026-11-20T12:00:00Z", true);
        assert_eq!(copies.bring_up_to_date(&source, disk.path()).unwrap().count, 2);
        // The data of the next backup is lost.
        let packs = || -> Vec<PathBuf> {
            let folders = fs_err::read_dir(source.folder().join("data")).unwrap().map(|entry| entry.unwrap().path());
            folders.flat_map(|folder| fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())).collect()
        };
        let before = packs();
        let lost = save_with(&source, "2026-11-21T12:00:00Z", true, b"other data");
        for pack in packs().iter().filter(|pack| !before.contains(pack)) {
            durable::remove_file(pack).unwrap();
        }
        let kept = save(&source, "2026-11-22T12:00:00Z", true);
        let failed = copies.bring_up_to_date(&source, disk.path()).unwrap_err();
        assert_eq!(failed.code(), codes::BACKUP_DAMAGED, "{failed:?}");
        let there = copies.open(disk.path()).unwrap().backups().unwrap();
        assert!(there.contains(&kept) && !there.contains(&lost), "{there:?}");
    }

    #[test]
    fn absent_disk_gets_new_key_later() {
        let ((_root, paths), disk) = (host(), other_disk());
        let folder = BackupFolder::of(&paths);
        let source = folder.open_or_create().unwrap();
        let copies = Copies {
            paths: &paths,
            node: "node-1",
            buckets: &[],
            retention: Retention::default(),
            progress: &SilentProgress,
        };
        save(&source, "2026-11-19T12:00:00Z", true);
        copies.bring_up_to_date(&source, disk.path()).unwrap();
        let first = folder.key().unwrap();
        for _ in 0..2 {
            exchange::admit_new_key(&paths, &folder.open().unwrap().unwrap()).unwrap();
            folder.mark_printed().unwrap();
            exchange::shut_out_former(&paths, &folder.open().unwrap().unwrap()).unwrap();
        }
        let (source, new) = (folder.open().unwrap().unwrap(), folder.key().unwrap());
        let there = disk.path().join("landfall-backups-node-1");
        let refusal = |key: &landfall_backup::RepositoryKey| {
            Repository::open(&there, source.site(), key).err().map(|error| error.code())
        };
        assert_eq!((refusal(&first), refusal(&new)), (None, Some(codes::BACKUP_WRONG_KEY)));
        assert_eq!(copies.open(disk.path()).unwrap().backups().unwrap().len(), 1, "a check reads it before that");
        save(&source, "2026-11-20T12:00:00Z", true);
        assert_eq!(copies.bring_up_to_date(&source, disk.path()).unwrap().count, 2);
        assert_eq!((refusal(&first), refusal(&new)), (Some(codes::BACKUP_WRONG_KEY), None));
        assert_eq!(copies.open(disk.path()).unwrap().check(&SilentProgress).unwrap(), []);
    }

    #[test]
    fn disk_of_another_site_is_untouched() {
        let ((_root, paths), disk) = (host(), other_disk());
        let source = BackupFolder::of(&paths).open_or_create().unwrap();
        save(&source, "2026-11-19T12:00:00Z", true);
        let key = BackupFolder::of(&paths).key().unwrap();
        let theirs = disk.path().join("landfall-backups-node-1");
        Repository::create(&theirs, Uuid::from_u128(8), &key).unwrap();
        let before = landfall_host::space::tree(disk.path()).unwrap();
        let copies =
            Copies { paths: &paths, node: "node-1", buckets: &[], retention: ONE_DAY, progress: &SilentProgress };
        let refused = copies.bring_up_to_date(&source, disk.path()).unwrap_err();
        assert_eq!(refused.code(), codes::BACKUP_OTHER_SITE);
        assert_eq!(landfall_host::space::tree(disk.path()).unwrap(), before, "nothing of it changes");
        assert_eq!(Repository::owner(&theirs).unwrap(), Some(Uuid::from_u128(8)));
    }
}
