//! Restorable data of a site, from its backup repository.

use std::path::PathBuf;

use jiff::Timestamp;
use landfall_backup::Backup;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_host::paths::SitePaths;
use schemars::JsonSchema;
use serde::Serialize;

use crate::backups::{
    BackupFolder, BackupTry, CopyRecord, CopyRecords, LogRecords, LogStatus, last_try, newest_proven, unusable,
};

/// Status of a site's backups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupsStatus {
    /// Number of backups.
    pub count: usize,
    /// Read time of the newest backup's data, RFC 3339 in UTC.
    pub newest: Option<String>,
    /// Read time of the newest proven backup's data, RFC 3339 in UTC.
    pub newest_proven: Option<String>,
    /// Times of backups that are later than the clock's current time, in the order in which they were made: the clock
    /// is or was wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of_future: Vec<String>,
    /// Reason why the repository cannot be used.
    pub reason: Option<String>,
    /// Latest attempt at a backup outside of an upgrade; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_try: Option<BackupTry>,
    /// Latest drill that a person requested; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_drill: Option<BackupTry>,
    /// Folders on other disks and buckets that get copies, by the site's settings, each with its latest copy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<CopyRecord>,
    /// Range of restorable points in time, for each stream whose log is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogStatus>,
}

impl BackupsStatus {
    /// Returns the backups of this site, whose settings name these places for copies; `None` if there was never one.
    pub(in crate::operations) fn of(paths: &SitePaths, folders: &[PathBuf]) -> Option<Self> {
        let folder = BackupFolder::of(paths);
        let last_try = BackupTry::read(paths);
        (folder.exists() || last_try.is_some()).then(|| {
            let status = Self::read(&folder)
                .unwrap_or_else(|error| Self { reason: Some(with_causes(&error)), ..Self::default() });
            let copies = CopyRecords::of(paths).of_folders(folders);
            let (logs, last_drill) = (LogRecords::of(paths).status(), BackupTry::read_drill(paths));
            Self { last_try, last_drill, copies, logs, ..status }
        })
    }

    /// Returns notes about the backups for people.
    pub(super) fn notes(&self, now: Timestamp) -> Vec<String> {
        let notes = last_try::notes(self.last_try.as_ref(), self.newest_proven.as_deref(), now);
        let drill = self.last_drill.as_ref().and_then(last_try::interrupted_drill);
        notes.into_iter().chain(drill).chain(self.note_of_future()).collect()
    }

    fn note_of_future(&self) -> Option<String> {
        let (last, others) = self.of_future.split_last()?;
        let more = if others.is_empty() { String::new() } else { format!(", and {} more", others.len()) };
        Some(format!(
            "a backup is dated in the future, {last}{more}: the clock is wrong, or was; what is kept and restored \
             follows the order in which backups were made"
        ))
    }

    fn read(folder: &BackupFolder) -> Result<Self, StepError> {
        let backups = match folder.open()? {
            Some(repository) => repository.backups().map_err(unusable)?,
            None => Vec::new(),
        };
        let time_of = |backup: &Backup| format!("{:.0}", backup.time);
        let (count, newest) = (backups.len(), backups.last().map(time_of));
        let newest_proven = newest_proven(backups.iter()).map(time_of);
        let now = Timestamp::now();
        let of_future = backups.iter().filter(|backup| backup.is_of_future(now)).map(time_of).collect();
        Ok(Self { count, newest, newest_proven, of_future, ..Self::default() })
    }
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;

    #[test]
    fn future_backup_is_named() {
        let future = ["2031-01-01T00:00:00Z", "2031-01-02T00:00:00Z"].map(str::to_owned).to_vec();
        let status = BackupsStatus { of_future: future, ..BackupsStatus::default() };
        let notes = status.notes("2026-11-29T00:00:00Z".parse().unwrap());
        let [note] = &notes[..] else { panic!("{notes:?}") };
        assert!(note.starts_with("a backup is dated in the future, 2031-01-02T00:00:00Z, and 1 more: "), "{note}");
        assert!(BackupsStatus::default().notes("2026-11-29T00:00:00Z".parse().unwrap()).is_empty());
    }

    #[test]
    fn missing_backup_key_is_reported() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        assert_eq!(BackupsStatus::of(&paths, &[]), None);
        durable::create_folder(&paths.backup_repository()).unwrap();
        let status = BackupsStatus::of(&paths, &[]).unwrap();
        assert!(status.reason.unwrap().contains("does not exist"), "the key is missing");
    }
}
