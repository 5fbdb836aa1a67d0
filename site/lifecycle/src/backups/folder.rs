//! The folder of a site's backups: the repository, and its key beside it.
//!
//! The key is beside the repository because whoever reads the data folder reads the data itself. A repository on another disk
//! has its key here alone; a copy of it belongs in a safe place.

use std::path::PathBuf;

use landfall_backup::{BackupError, Repository, RepositoryKey};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::files;
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use uuid::Uuid;

use super::unusable;

/// Where a site keeps its backups.
pub(crate) struct BackupFolder {
    folder: PathBuf,
    repository: PathBuf,
    key: PathBuf,
    site: PathBuf,
}

impl BackupFolder {
    pub(crate) fn of(paths: &SitePaths) -> Self {
        Self {
            folder: paths.backups(),
            repository: paths.backup_repository(),
            key: paths.backup_key(),
            site: paths.data_uuid(),
        }
    }

    /// Whether there is a repository, or a key to one.
    pub(crate) fn exists(&self) -> bool {
        self.repository.exists() || self.key.exists()
    }

    /// Opens the repository. Changes nothing; a site that has made no backup yet has none.
    pub(crate) fn open(&self) -> Result<Option<Repository>, StepError> {
        if !self.exists() {
            return Ok(None);
        }
        let key = RepositoryKey::read(&self.key).map_err(unusable)?;
        match Repository::open(&self.repository, self.owner()?, &key) {
            Ok(repository) => Ok(Some(repository)),
            Err(BackupError::NoRepository(_)) => Ok(None),
            Err(error) => Err(unusable(error)),
        }
    }

    /// Opens the repository, and makes it with a new key where there is none. A repository whose key is missing is an error:
    /// a new key would not open it.
    pub(crate) fn open_or_create(&self) -> Result<Repository, StepError> {
        if let Some(repository) = self.open()? {
            return Ok(repository);
        }
        durable::create_folder_with_mode(&self.folder, 0o700)?;
        if !self.key.exists() {
            RepositoryKey::generate().write_new(&self.key).map_err(unusable)?;
        }
        let key = RepositoryKey::read(&self.key).map_err(unusable)?;
        Repository::create(&self.repository, self.owner()?, &key).map_err(unusable)
    }

    /// The text of the key: who has it and the repository can read every backup.
    pub(crate) fn recovery_key(&self) -> Result<Option<String>, StepError> {
        Ok(files::read_text(&self.key)?.map(|text| text.trim().to_owned()))
    }

    /// Whose repository it is: that of its ledger, since a site that was installed again adopts its backups; otherwise this
    /// site's.
    fn owner(&self) -> Result<Uuid, StepError> {
        if self.repository.exists()
            && let Some(owner) = Repository::owner(&self.repository).map_err(unusable)?
        {
            return Ok(owner);
        }
        let text = files::read_text(&self.site)?.unwrap_or_default();
        text.trim().parse().map_err(|error| {
            let what = format!("{} does not hold the site's UUID", self.site.display());
            StepError::new(codes::NODE_FILE, what).because(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::Coded;

    use super::*;

    fn host() -> (tempfile::TempDir, SitePaths) {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        durable::create_folder(&paths.data()).unwrap();
        durable::write_file(&paths.data_uuid(), format!("{}\n", Uuid::from_u128(7)).as_bytes(), 0o644).unwrap();
        (root, paths)
    }

    #[test]
    fn a_repository_is_made_once_and_outlives_its_site() {
        let (_root, paths) = host();
        let folder = BackupFolder::of(&paths);
        assert!(!folder.exists() && folder.open().unwrap().is_none() && folder.recovery_key().unwrap().is_none());
        folder.open_or_create().unwrap();
        let key = folder.recovery_key().unwrap().unwrap();
        assert_eq!((key.len(), folder.open().unwrap().is_some()), (64, true));
        // The site is installed again, under another UUID.
        durable::write_file(&paths.data_uuid(), format!("{}\n", Uuid::from_u128(8)).as_bytes(), 0o644).unwrap();
        folder.open_or_create().unwrap();
        assert_eq!(folder.recovery_key().unwrap().unwrap(), key);
        assert_eq!(Repository::owner(&paths.backup_repository()).unwrap(), Some(Uuid::from_u128(7)));
    }

    #[test]
    fn a_repository_without_its_key_is_not_replaced() {
        let (_root, paths) = host();
        let folder = BackupFolder::of(&paths);
        folder.open_or_create().unwrap();
        durable::remove_file(&paths.backup_key()).unwrap();
        for error in [folder.open().err().unwrap(), folder.open_or_create().err().unwrap()] {
            assert_eq!(error.code(), codes::BACKUP_KEY);
        }
        assert!(!paths.backup_key().exists());
    }
}
