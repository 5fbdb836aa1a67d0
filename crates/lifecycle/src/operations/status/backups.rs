//! Restorable data of a site, from its backup repository.

use std::path::PathBuf;

use jiff::Timestamp;
use landfall_backup::Backup;
use landfall_documents::backups::BackupsStatus;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_host::paths::SitePaths;

use landfall_site::backups::{BackupFolder, CopyRecords, LogRecords, last_try, newest_proven, unusable};

/// Returns the backups of this site, whose settings name these places for copies; `None` if it never made one.
pub(in crate::operations) fn backups_status(paths: &SitePaths, folders: &[PathBuf]) -> Option<BackupsStatus> {
    let folder = BackupFolder::of(paths);
    let last_try = last_try::read_backup(paths);
    (folder.exists() || last_try.is_some()).then(|| {
        let status = read(&folder)
            .unwrap_or_else(|error| BackupsStatus { reason: Some(with_causes(&error)), ..BackupsStatus::default() });
        let copies = CopyRecords::of(paths).of_folders(folders);
        let (logs, last_drill) = (LogRecords::of(paths).status(), last_try::read_drill(paths));
        BackupsStatus { last_try, last_drill, copies, logs, ..status }
    })
}

/// Returns notes about the backups for people.
pub(super) fn notes(status: &BackupsStatus, now: Timestamp) -> Vec<String> {
    let notes = last_try::notes(status.last_try.as_ref(), status.newest_proven.as_deref(), now);
    let drill = status.last_drill.as_ref().and_then(last_try::interrupted_drill);
    notes.into_iter().chain(drill).chain(note_of_future(status)).collect()
}

fn note_of_future(status: &BackupsStatus) -> Option<String> {
    let (last, others) = status.of_future.split_last()?;
    let more = if others.is_empty() { String::new() } else { format!(", and {} more", others.len()) };
    Some(format!(
        "a backup is dated in the future, {last}{more}: the clock is wrong, or was; what is kept and restored \
         follows the order in which backups were made"
    ))
}

fn read(folder: &BackupFolder) -> Result<BackupsStatus, StepError> {
    let backups = match folder.open()? {
        Some(repository) => repository.backups().map_err(unusable)?,
        None => Vec::new(),
    };
    let time_of = |backup: &Backup| format!("{:.0}", backup.time);
    let (count, newest) = (backups.len(), backups.last().map(time_of));
    let newest_proven = newest_proven(backups.iter()).map(time_of);
    let now = Timestamp::now();
    let of_future = backups.iter().filter(|backup| backup.is_of_future(now)).map(time_of).collect();
    Ok(BackupsStatus { count, newest, newest_proven, of_future, ..BackupsStatus::default() })
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;

    #[test]
    fn future_backup_is_named() {
        let future = ["2031-01-01T00:00:00Z", "2031-01-02T00:00:00Z"].map(str::to_owned).to_vec();
        let status = BackupsStatus { of_future: future, ..BackupsStatus::default() };
        let found = notes(&status, "2026-11-29T00:00:00Z".parse().unwrap());
        let [note] = &found[..] else { panic!("{found:?}") };
        assert!(note.starts_with("a backup is dated in the future, 2031-01-02T00:00:00Z, and 1 more: "), "{note}");
        assert!(notes(&BackupsStatus::default(), "2026-11-29T00:00:00Z".parse().unwrap()).is_empty());
    }

    #[test]
    fn missing_backup_key_is_reported() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        assert_eq!(backups_status(&paths, &[]), None);
        durable::create_folder(&paths.backup_repository()).unwrap();
        let status = backups_status(&paths, &[]).unwrap();
        assert!(status.reason.unwrap().contains("does not exist"), "the key is missing");
    }
}
