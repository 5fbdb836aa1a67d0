//! Adopts the backups of a lost site on an empty machine: copies and checks the repository, and extracts the files that
//! the next install needs. An install with `--adopt-data` and a restore follow.

use std::io::Read;
use std::path::{Path, PathBuf};

use landfall_backup::{Backup, Damage, OpenBackup, Place, Repository, RepositoryKey, StreamName};
use landfall_documents::backups::BackupSummary;
use landfall_engine::step::StepError;
use landfall_error_codes::{cases, codes};
use landfall_host::{files, mounts};
use landfall_media::durable;
use landfall_media::progress::Event;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use landfall_engine::causes::with_causes;
use landfall_engine::journal::Phase;

use super::Operations;
use super::error::{OperationError, Result};
use super::kept::KeptData;
use landfall_site::backups::{BackupFolder, MARKS, newest_proven, only_repository, summarize, unusable};
use landfall_site::configuration::{BucketSettings, SiteConfiguration};
use landfall_site::license;
use landfall_site::marks::Marks;
use landfall_site::pins::JournalFolder;

/// Folder of a repository until its copy is complete.
const INCOMING: &str = "incoming";

/// Folder for reading the lost site's journals.
const JOURNAL: &str = "journal";

/// File with the lost site's settings, for `install --site`.
const SETTINGS: &str = "site.yaml";

/// Backups that this machine took over.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdoptedBackups {
    /// All backups, in the order in which they were made.
    pub backups: Vec<BackupSummary>,
    /// Backup that supplies the secrets and settings of the next install: the newest proven one, or the newest without
    /// a failed drill.
    pub used: BackupSummary,
    /// File with the lost site's settings; null if its journals do not name them.
    pub settings: Option<PathBuf>,
}

impl Operations {
    /// Adopts the repository in a folder, or in the bucket that a file describes in the form of a site's settings.
    /// `key` is the file with its key. Fails if a release is installed or other data is kept here. Also fails if the
    /// repository is damaged, because its source may have a better copy.
    pub fn adopt_backups(&self, repository: &Path, key: &Path) -> Result<AdoptedBackups> {
        if let Some(past) = self.deciding()? {
            return Err(OperationError::AlreadyInstalled { release: past.release() });
        }
        self.check_not_missing()?;
        let key_text = files::read(key)?;
        let key = RepositoryKey::read(key).map_err(unusable)?;
        self.refuse_other_data(key_text.as_deref().unwrap_or_default())?;
        let source = Source::of(repository)?;
        // Checked before the copy: the folder must be a repository that the key opens.
        open(&source.place(), &key)?;
        durable::create_own_folder(&self.paths.data())?;
        let lock = self.journals().lock("backup adopt")?;
        let adopted = self.copied_repository(&source, &key)?;
        let backups = adopted.backups().map_err(unusable)?;
        let used = best(&backups);
        let used = used.ok_or_else(|| StepError::of(cases::BACKUPS_TO_ADOPT_NONE, "the repository has no backups"))?;
        let open = adopted.open_backup(used.id).map_err(unusable)?;
        let settings = self.take_what_an_install_needs(&open, used)?;
        // The newest backup has the newest license and marks, whether proven or not.
        if let Err(error) = backups.last().map_or(Ok(()), |newest| self.take_license_and_marks(&adopted, newest)) {
            tracing::warn!(error = with_causes(&error), "the license or the marks of the backups are not taken over");
        }
        // From here on, this machine owns the backups.
        let (folder, target) = (self.paths.backups().join(INCOMING), self.paths.backup_repository());
        if !self.paths.backup_key().exists() {
            key.write_new(&self.paths.backup_key()).map_err(unusable)?;
        }
        // The person who adopts backups has their key.
        BackupFolder::of(&self.paths).mark_printed()?;
        durable::rename(&folder, &target)?;
        durable::write_file(&self.paths.backups_begun(), b"", 0o600)?;
        self.journals().remove(lock)?;
        let backups = backups.iter().map(summarize).collect();
        Ok(AdoptedBackups { backups, used: summarize(used), settings })
    }

    /// Fails if there is other data: a repository, the key of another one, or volumes. Leftovers of an interrupted
    /// adoption do not count.
    fn refuse_other_data(&self, key: &[u8]) -> Result<()> {
        let occupied = |path: &Path| {
            let what = format!("{} exists already", path.display());
            Err(StepError::new(codes::BACKUP_FOLDER_OCCUPIED, what).into())
        };
        let (repository, known_key) = (self.paths.backup_repository(), self.paths.backup_key());
        if repository.exists() {
            return occupied(&repository);
        }
        let known = files::read(&known_key)?;
        if known.is_some_and(|known| known.trim_ascii() != key.trim_ascii()) {
            return occupied(&known_key);
        }
        let kept = KeptData::find(&self.paths)?;
        if kept.is_some_and(|kept| !kept.volumes.is_empty() || !kept.others.is_empty()) {
            return occupied(&self.paths.storage());
        }
        Ok(())
    }

    /// Copies the repository beside its final place, and checks the copy.
    fn copied_repository(&self, source: &Source, key: &RepositoryKey) -> Result<Repository> {
        let incoming = self.paths.backups().join(INCOMING);
        durable::create_folder_with_mode(&self.paths.backups(), 0o700)?;
        mounts::remove_tree(&incoming)?;
        self.progress.event(Event::PhaseStarted { phase: "copying backups".to_owned(), total_bytes: None });
        match source {
            Source::Folder(folder) => self.copy_folder(folder, &incoming)?,
            Source::Bucket(place) => self.copy_bucket(place, &incoming)?,
        }
        self.progress.event(Event::PhaseDone);
        let copied = open(&Place::from(&incoming), key)?;
        let damages = copied.check(&*self.progress).map_err(unusable)?;
        if damages.is_empty() {
            return Ok(copied);
        }
        let named: Vec<String> = damages.iter().map(Damage::to_string).collect();
        mounts::remove_tree(&incoming)?;
        let what = format!("{} is damaged: {}", source.place(), named.join("; "));
        Err(StepError::new(codes::BACKUP_DAMAGED, what).into())
    }

    /// Copies a folder recursively, each file in memory: a repository's files have at most some tens of mebibytes.
    fn copy_folder(&self, from: &Path, to: &Path) -> Result<()> {
        durable::create_folder_with_mode(to, 0o700)?;
        let failed = |error| files::file_error("list", from, error);
        for entry in fs_err::read_dir(from).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let target = to.join(path.file_name().unwrap_or_default());
            if path.is_dir() {
                self.copy_folder(&path, &target)?;
                continue;
            }
            let bytes = fs_err::read(&path).map_err(|error| files::file_error("read", &path, error))?;
            durable::write_file(&target, &bytes, 0o400)?;
            self.progress.event(Event::Advanced { bytes: bytes.len() as u64 });
        }
        Ok(())
    }

    /// Copies every object of a bucket into a file.
    fn copy_bucket(&self, from: &Place, to: &Path) -> Result<()> {
        for file in from.files().map_err(unusable)? {
            let bytes = from.read(&file).map_err(unusable)?;
            let target = to.join(&file);
            target.parent().map_or(Ok(()), |folder| durable::create_folder_with_mode(folder, 0o700))?;
            durable::write_file(&target, &bytes, 0o400)?;
            self.progress.event(Event::Advanced { bytes: bytes.len() as u64 });
        }
        Ok(())
    }

    /// Adopts the marks of a backup, so that the next install refuses the same releases as the lost site, and its
    /// license and trusted time.
    fn take_license_and_marks(&self, repository: &Repository, backup: &Backup) -> Result<()> {
        let open = repository.open_backup(backup.id).map_err(unusable)?;
        for stream in backup.streams.iter().filter(|stream| stream.name.as_str() == MARKS) {
            Marks::adopt(&self.paths, &document(&open, &stream.name)?)?;
        }
        for stream in backup.streams.iter().filter(|stream| license::SAVED.contains(&stream.name.as_str())) {
            license::adopt(&self.paths, stream.name.as_str(), &document(&open, &stream.name)?)?;
        }
        Ok(())
    }

    /// Writes the lost site's generated secrets to the folder that an install reads, and its settings for a person.
    fn take_what_an_install_needs(&self, open: &OpenBackup, used: &Backup) -> Result<Option<PathBuf>> {
        let journal = self.paths.backups().join(JOURNAL);
        mounts::remove_tree(&journal)?;
        for stream in &used.streams {
            let name = stream.name.as_str();
            let target = if let Some(secret) = secret_of_component(name) {
                self.paths.secrets().join(secret)
            } else if let Some(file) = name.strip_prefix("LANDFALL/journal/") {
                journal.join(file)
            } else {
                continue;
            };
            let bytes = document(open, &stream.name)?;
            // A secret may be the only key to data, so a different one is never replaced.
            if files::read(&target)?.is_some_and(|known| known != bytes) {
                let what = format!("{} exists already, with other content", target.display());
                return Err(StepError::new(codes::BACKUP_FOLDER_OCCUPIED, what).into());
            }
            durable::create_folder_with_mode(&self.paths.secrets(), 0o700)?;
            target.parent().map_or(Ok(()), |folder| durable::create_folder_with_mode(folder, 0o700))?;
            durable::write_file(&target, &bytes, 0o600)?;
        }
        let settings = settings_of(&journal);
        mounts::remove_tree(&journal)?;
        let Some(settings) = settings else { return Ok(None) };
        let file = self.paths.backups().join(SETTINGS);
        // JSON is valid YAML.
        let bytes =
            serde_json::to_vec_pretty(&settings).map_err(|error| OperationError::io("write", &file, error.into()))?;
        durable::write_file(&file, &bytes, 0o600)?;
        Ok(Some(file))
    }
}

/// Returns the newest proven backup, otherwise the newest complete one whose drill did not fail, otherwise the newest.
/// `backups` are in the order in which they were made.
pub(super) fn best(backups: &[Backup]) -> Option<&Backup> {
    let not_disproved = backups.iter().rfind(|backup| backup.disproof.is_none() && backup.is_whole());
    newest_proven(backups.iter()).or(not_disproved).or(backups.last())
}

/// Reads a small document of a backup.
fn document(open: &OpenBackup, name: &StreamName) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = open.read(name).map_err(unusable)?.read_to_end(&mut bytes);
    read.map_err(|error| OperationError::io("read", name.as_str(), error))?;
    Ok(bytes)
}

/// Returns the path of a component's secret, `NAMESPACE/NAME.json`. A new cluster generates its own secrets again.
fn secret_of_component(document: &str) -> Option<&str> {
    document.strip_prefix("LANDFALL/secrets/").filter(|path| path.matches('/').count() == 1)
}

/// Source of the lost site's backups.
enum Source {
    Folder(PathBuf),
    Bucket(Place),
}

impl Source {
    /// Reads the source from a path: a folder is the repository, a file describes a bucket.
    fn of(path: &Path) -> Result<Self, StepError> {
        if !path.is_file() {
            return Ok(Self::Folder(path.to_owned()));
        }
        let refused = |why: String| StepError::new(codes::SITE_VALUE, format!("{} {why}", path.display()));
        let text = files::read_text(path)?.unwrap_or_default();
        let value: Value = serde_saphyr::from_str(&text).map_err(|error| refused(format!("is not YAML: {error}")))?;
        let settings: BucketSettings =
            serde_json::from_value(value).map_err(|error| refused(format!("does not describe a bucket: {error}")))?;
        let problems = settings.problems();
        if !problems.is_empty() {
            return Err(refused(format!("does not describe a bucket: {}", problems.join("; "))));
        }
        Ok(Self::Bucket(only_repository(&settings)?))
    }

    fn place(&self) -> Place {
        match self {
            Self::Folder(folder) => Place::from(folder),
            Self::Bucket(place) => place.clone(),
        }
    }
}

fn open(repository: &Place, key: &RepositoryKey) -> Result<Repository, StepError> {
    let owner = Repository::owner(repository).map_err(unusable)?;
    // A check reports a lost ledger.
    Repository::open(repository, owner.unwrap_or_else(Uuid::nil), key).map_err(unusable)
}

/// Returns the settings of the last committed operation, from the journals in this folder.
fn settings_of(journal: &Path) -> Option<SiteConfiguration> {
    let journals = JournalFolder::at(journal.to_owned());
    let states = journals.list().ok()?.into_iter().rev().filter_map(|file| Some(journals.read(&file).ok()?.state));
    let mut committed = states.filter(|state| state.phase == Phase::Committed);
    Some(committed.next()?.pins?.settings.clone())
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError;

    use super::*;
    use crate::operations::testing::operations;

    fn repository(folder: &Path) -> (PathBuf, PathBuf) {
        let (repository, key) = (folder.join("repository"), folder.join("key"));
        let secret = RepositoryKey::generate();
        secret.write_new(&key).unwrap();
        let made = Repository::create(&repository, Uuid::from_u128(7), &secret).unwrap();
        let document = |name: &str| (name.parse().unwrap(), b"{}".to_vec());
        made.save(landfall_backup::NewBackup {
            kind: landfall_backup::BackupKind::Full,
            time: jiff::Timestamp::UNIX_EPOCH,
            facts: [("release".to_owned(), "shop".to_owned()), ("version".to_owned(), "1.0.0".to_owned())].into(),
            streams: Vec::new(),
            documents: vec![document("LANDFALL/secrets/shop/key.json"), document("LANDFALL/secrets/bootstrap-token")],
        })
        .unwrap();
        (repository, key)
    }

    #[test]
    fn adoption_brings_secrets_and_replaces_nothing() {
        let copies = tempfile::tempdir().unwrap();
        let (repository, key) = repository(copies.path());
        let (_root, operations) = operations();
        let secrets = operations.paths.secrets();
        durable::create_folder(&secrets.join("shop")).unwrap();
        durable::write_file(&secrets.join("shop/key.json"), b"another", 0o600).unwrap();
        let refused = operations.adopt_backups(&repository, &key).unwrap_err();
        assert_eq!(refused.code(), codes::BACKUP_FOLDER_OCCUPIED);
        assert_eq!(fs_err::read(secrets.join("shop/key.json")).unwrap(), b"another");
        assert!(!operations.paths.backup_repository().exists());

        // Leftovers of the refused adoption do not matter.
        durable::remove_file(&secrets.join("shop/key.json")).unwrap();
        let adopted = operations.adopt_backups(&repository, &key).unwrap();
        assert_eq!((adopted.backups.len(), adopted.used.version.as_str()), (1, "1.0.0"));
        assert_eq!(fs_err::read(secrets.join("shop/key.json")).unwrap(), b"{}");
        assert!(!secrets.join("bootstrap-token").exists() && !operations.paths.journal().exists());
        assert_eq!(operations.backups().unwrap().len(), 1);

        let again = operations.adopt_backups(&repository, &key).unwrap_err();
        assert_eq!(again.code(), codes::BACKUP_FOLDER_OCCUPIED);
        // Also refused if the kept repository cannot be opened.
        durable::remove_file(&operations.paths.backup_key()).unwrap();
        let again = operations.adopt_backups(&repository, &key).unwrap_err();
        assert_eq!(again.code(), codes::BACKUP_FOLDER_OCCUPIED);
        assert!(operations.paths.backup_repository().exists());
    }

    #[test]
    fn wrong_key_adopts_nothing() {
        let copies = tempfile::tempdir().unwrap();
        let (repository, _key) = repository(copies.path());
        let (wrong, malformed) = (copies.path().join("wrong"), copies.path().join("malformed"));
        RepositoryKey::generate().write_new(&wrong).unwrap();
        durable::write_file(&malformed, b"00\n", 0o600).unwrap();
        let (root, operations) = operations();
        let names = |folder: &Path| -> Vec<_> {
            let entries = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = entries.collect();
            names.sort();
            names
        };
        let before = (names(root.path()), names(&repository));
        for (key, code) in [(&wrong, codes::BACKUP_WRONG_KEY), (&malformed, codes::BACKUP_KEY)] {
            assert_eq!(operations.adopt_backups(&repository, key).unwrap_err().code(), code);
            assert!(!operations.paths.backups().exists() && !operations.paths.journal().exists(), "{code:?}");
        }
        assert_eq!((names(root.path()), names(&repository)), before);
    }

    #[test]
    fn adoption_beside_existing_volumes_is_refused() {
        let copies = tempfile::tempdir().unwrap();
        let (repository, key) = repository(copies.path());
        let (_root, operations) = operations();
        durable::create_folder(&operations.paths.storage().join("pvc-1_shop_data")).unwrap();
        let refused = operations.adopt_backups(&repository, &key).unwrap_err();
        assert_eq!(refused.code(), codes::BACKUP_FOLDER_OCCUPIED);
        assert!(!operations.paths.backups().exists());
    }
}
