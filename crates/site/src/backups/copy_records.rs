//! Records of the latest copy to each folder and bucket. The status shows them without access to disks that may be
//! missing or slow.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use landfall_documents::backups::CopyRecord;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_host::files;
use landfall_host::paths::SitePaths;
use landfall_media::durable;

use super::BackupCopies;

fn unknown_copy(folder: &Path) -> CopyRecord {
    CopyRecord { folder: folder.to_owned(), tried: None, newest: None, reason: None, former_key: false }
}

/// Records of a site.
pub struct CopyRecords {
    file: PathBuf,
    records: Vec<CopyRecord>,
}

impl CopyRecords {
    /// Reads the records. A lost or damaged file counts as empty, and the next copy writes it again.
    pub fn of(paths: &SitePaths) -> Self {
        let file = paths.backup_copies();
        let bytes = files::read(&file).ok().flatten().unwrap_or_default();
        Self { file, records: serde_json::from_slice(&bytes).unwrap_or_default() }
    }

    /// Returns the records of these folders, in their order.
    pub fn of_folders(&self, folders: &[PathBuf]) -> Vec<CopyRecord> {
        folders.iter().map(|folder| self.find(folder).cloned().unwrap_or_else(|| unknown_copy(folder))).collect()
    }

    /// Records the outcome of an attempt.
    pub fn note(&mut self, folder: &Path, outcome: Result<&BackupCopies, &StepError>, now: Timestamp) {
        let mut record = self.take(folder);
        record.tried = Some(format!("{now:.0}"));
        match outcome {
            Ok(copies) => {
                (record.newest, record.reason, record.former_key) = (copies.newest.clone(), None, false);
            }
            Err(error) => record.reason = Some(with_causes(error)),
        }
        self.records.push(record);
    }

    /// Records whether a former key still opens the copies there.
    pub fn note_former_key(&mut self, folder: &Path, former_key: bool) {
        let record = CopyRecord { former_key, ..self.take(folder) };
        self.records.push(record);
    }

    fn take(&mut self, folder: &Path) -> CopyRecord {
        let position = self.records.iter().position(|record| record.folder == folder);
        position.map_or_else(|| unknown_copy(folder), |position| self.records.remove(position))
    }

    /// Writes the records, without those of other folders. On the disk on return.
    pub fn write(mut self, folders: &[PathBuf]) -> Result<(), StepError> {
        self.records.retain(|record| folders.contains(&record.folder));
        let bytes = serde_json::to_vec_pretty(&self.records).unwrap_or_default();
        Ok(durable::write_file(&self.file, &bytes, 0o600)?)
    }

    fn find(&self, folder: &Path) -> Option<&CopyRecord> {
        self.records.iter().find(|record| record.folder == folder)
    }
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::codes;

    use super::*;

    #[test]
    fn failure_is_noted_beside_newest_copy() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        durable::create_folder(&paths.backups()).unwrap();
        let folders = ["/mnt/a", "/mnt/b"].map(PathBuf::from);
        let copies = BackupCopies {
            repository: "/mnt/a/landfall-backups-node-1".into(),
            copied: Vec::new(),
            dropped: Vec::new(),
            count: 1,
            newest: Some("2026-11-21T02:00:00Z".to_owned()),
        };
        let error = StepError::new(codes::BACKUP_COPY_PLACE, "/mnt/a is not a folder");
        for outcome in [Ok(&copies), Err(&error)] {
            let mut records = CopyRecords::of(&paths);
            records.note(&folders[0], outcome, "2026-11-22T02:00:00Z".parse().unwrap());
            records.note(Path::new("/media/stick"), Ok(&copies), Timestamp::UNIX_EPOCH);
            records.write(&folders).unwrap();
        }
        let mut records = CopyRecords::of(&paths);
        records.note_former_key(&folders[0], true);
        records.note(&folders[0], Err(&error), "2026-11-22T02:00:00Z".parse().unwrap());
        records.write(&folders).unwrap();
        let found = CopyRecords::of(&paths).of_folders(&folders);
        assert!(found[0].former_key, "a try that failed shuts no key out");
        assert_eq!(found[0].newest.as_deref(), Some("2026-11-21T02:00:00Z"));
        assert_eq!(found[0].tried.as_deref(), Some("2026-11-22T02:00:00Z"));
        assert_eq!(found[0].reason.as_deref(), Some("/mnt/a is not a folder"));
        assert_eq!((found[1].folder.as_path(), &found[1].tried), (Path::new("/mnt/b"), &None));
        assert!(!CopyRecords::of(&paths).records.iter().any(|record| record.folder == Path::new("/media/stick")));
    }
}
