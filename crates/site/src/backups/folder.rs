//! The folder of a site's backups: the repository with its key.
//!
//! The key is beside the repository because a reader of the data folder has the data itself. For a repository on
//! another disk, only this folder has the key. Keep a copy of the key in a safe place.

use std::path::PathBuf;

use landfall_backup::{BackupError, Repository, RepositoryKey, open_damaged};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::files;
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use uuid::Uuid;

use super::room::reserve_of_backups;
use super::unusable;

/// Locations of a site's backups.
pub struct BackupFolder {
    folder: PathBuf,
    repository: PathBuf,
    key: PathBuf,
    /// File that exists after a person has received the key.
    printed: PathBuf,
    site: PathBuf,
    /// File that exists since the first repository. It is outside of the folder, which may be a disk.
    begun: PathBuf,
    paths: SitePaths,
}

impl BackupFolder {
    /// Returns the folder of a site.
    pub fn of(paths: &SitePaths) -> Self {
        Self {
            folder: paths.backups(),
            repository: paths.backup_repository(),
            key: paths.backup_key(),
            printed: paths.backup_key_printed(),
            site: paths.data_uuid(),
            begun: paths.backups_begun(),
            paths: paths.clone(),
        }
    }

    /// Returns true if there is or was a repository, or a key to one.
    pub fn exists(&self) -> bool {
        self.repository.exists() || self.key.exists() || self.begun.exists()
    }

    /// Opens the repository; `None` if the site has made no backup yet. Changes nothing. Fails if the repository is
    /// missing, because its disk may not be mounted.
    pub fn open(&self) -> Result<Option<Repository>, StepError> {
        self.open_with(|repository, site, key| Repository::open(repository, site, key))
    }

    /// Like [`Self::open`], but rewrites a lost config, which is on the disk on return.
    pub fn open_damaged(&self) -> Result<Option<Repository>, StepError> {
        self.open_with(|repository, site, key| open_damaged(repository, site, key))
    }

    fn open_with(
        &self,
        open: impl FnOnce(&PathBuf, Uuid, &RepositoryKey) -> Result<Repository, BackupError>,
    ) -> Result<Option<Repository>, StepError> {
        if !self.exists() {
            return Ok(None);
        }
        if self.begun.exists() && !self.repository.exists() {
            return Err(self.no_repository_error());
        }
        let key = RepositoryKey::read(&self.key).map_err(unusable)?;
        match open(&self.repository, self.owner()?, &key) {
            Ok(repository) => Ok(Some(repository.with_reserve(reserve_of_backups(&self.paths)?))),
            Err(BackupError::NoRepository(_)) if self.begun.exists() => Err(self.no_repository_error()),
            Err(BackupError::NoRepository(_)) => Ok(None),
            Err(error) => Err(unusable(error)),
        }
    }

    /// Opens the repository, or creates it with a new key. Fails if the key of an existing repository is missing,
    /// because a new key would not open it.
    pub fn open_or_create(&self) -> Result<Repository, StepError> {
        let repository = match self.open_damaged()? {
            Some(repository) => repository,
            None => self.create()?,
        };
        if !self.begun.exists() {
            durable::write_file(&self.begun, b"", 0o600)?;
        }
        Ok(repository)
    }

    fn create(&self) -> Result<Repository, StepError> {
        durable::create_folder_with_mode(&self.folder, 0o700)?;
        if !self.key.exists() {
            RepositoryKey::generate().write_new(&self.key).map_err(unusable)?;
        }
        let key = RepositoryKey::read(&self.key).map_err(unusable)?;
        let made = Repository::create(&self.repository, self.owner()?, &key).map_err(unusable)?;
        Ok(made.with_reserve(reserve_of_backups(&self.paths)?))
    }

    fn no_repository_error(&self) -> StepError {
        let what = format!("{} holds no repository, but this site has made backups", self.repository.display());
        StepError::new(codes::BACKUP_NO_REPOSITORY, what).hint(format!(
            "Mount its disk, then run the same command again. If the backups are lost for good, remove {}: the next \
             backup makes another repository.",
            self.begun.display()
        ))
    }

    /// Records that a person has the key. On the disk on return.
    pub fn mark_printed(&self) -> Result<(), StepError> {
        if !self.printed.exists() {
            durable::write_file(&self.printed, b"", 0o600)?;
        }
        Ok(())
    }

    /// Returns a task for people before this machine is lost.
    pub fn note(&self) -> Option<String> {
        (self.key.exists() && !self.printed.exists()).then(|| {
            "the key of the backups was never printed; without it, no copy of them can be read. Print it with \
             `landfall backup key`, and store it away from this machine"
                .to_owned()
        })
    }

    /// Returns the key, which copies also use.
    pub(crate) fn key(&self) -> Result<RepositoryKey, StepError> {
        RepositoryKey::read(&self.key).map_err(unusable)
    }

    /// Returns the text of the key, which together with the repository reads every backup.
    pub fn recovery_key(&self) -> Result<Option<String>, StepError> {
        Ok(files::read_text(&self.key)?.map(|text| text.trim().to_owned()))
    }

    /// Returns the owner of the repository: from its ledger, because a reinstalled site adopts its backups; otherwise
    /// this site.
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
pub(super) mod tests {
    use landfall_error_codes::CodedError;

    use super::*;

    /// Returns a host with the data folder of a site.
    pub(crate) fn host() -> (tempfile::TempDir, SitePaths) {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        durable::create_folder(&paths.data()).unwrap();
        durable::write_file(&paths.data_uuid(), format!("{}\n", Uuid::from_u128(7)).as_bytes(), 0o644).unwrap();
        (root, paths)
    }

    #[test]
    fn repository_is_created_once() {
        let (_root, paths) = host();
        let folder = BackupFolder::of(&paths);
        assert!(!folder.exists() && folder.open().unwrap().is_none() && folder.recovery_key().unwrap().is_none());
        folder.open_or_create().unwrap();
        let key = folder.recovery_key().unwrap().unwrap();
        assert_eq!((key.len(), folder.open().unwrap().is_some()), (64, true));
        // The site is installed again under another UUID.
        durable::write_file(&paths.data_uuid(), format!("{}\n", Uuid::from_u128(8)).as_bytes(), 0o644).unwrap();
        folder.open_or_create().unwrap();
        assert_eq!(folder.recovery_key().unwrap().unwrap(), key);
        assert!(folder.note().is_some_and(|note| note.contains("landfall backup key")));
        folder.mark_printed().unwrap();
        assert_eq!(folder.note(), None);
        assert_eq!(Repository::owner(&paths.backup_repository()).unwrap(), Some(Uuid::from_u128(7)));
    }

    #[test]
    fn unmounted_repository_is_not_replaced() {
        let (_root, paths) = host();
        let folder = BackupFolder::of(&paths);
        folder.open_or_create().unwrap();
        let (here, elsewhere) = (paths.backups(), paths.data().join("elsewhere"));
        durable::rename(&here, &elsewhere).unwrap();
        let is_refused = || {
            let errors = [folder.open().err().unwrap(), folder.open_or_create().err().unwrap()];
            errors.iter().all(|error| error.code() == codes::BACKUP_NO_REPOSITORY)
        };
        assert!(is_refused() && folder.exists());
        // An unmounted disk leaves an empty folder and the key.
        durable::create_folder(&paths.backup_repository()).unwrap();
        durable::write_file(&paths.backup_key(), &fs_err::read(elsewhere.join("key")).unwrap(), 0o600).unwrap();
        assert!(is_refused());
        durable::remove_file(&paths.backups_begun()).unwrap();
        folder.open_or_create().unwrap();
        assert!(paths.backups_begun().exists());
    }

    #[test]
    fn repository_of_another_site_is_refused() {
        let ((_root, paths), (_other_root, others)) = (host(), host());
        let (folder, other) = (BackupFolder::of(&paths), BackupFolder::of(&others));
        folder.open_or_create().unwrap();
        other.open_or_create().unwrap();
        // The disk of another site's backups is mounted in this one's place; the key stays beside it.
        durable::rename(&paths.backup_repository(), &paths.data().join("own")).unwrap();
        durable::rename(&others.backup_repository(), &paths.backup_repository()).unwrap();
        for error in [folder.open().err().unwrap(), folder.open_or_create().err().unwrap()] {
            assert_eq!(error.code(), codes::BACKUP_WRONG_KEY, "{error}");
        }
        durable::rename(&paths.backup_repository(), &others.backup_repository()).unwrap();
        durable::rename(&paths.data().join("own"), &paths.backup_repository()).unwrap();
        assert!(folder.open().unwrap().is_some() && other.open().unwrap().is_some());
    }

    #[test]
    fn repository_without_key_is_not_replaced() {
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
