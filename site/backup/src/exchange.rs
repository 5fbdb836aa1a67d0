//! Keys that open a repository, and the exchange of one key for another.
//!
//! An exchange has two halves, so that a key held by a person opens the repository at every instant. First the new key
//! opens it in addition to the former one; once a person has the new key, the former one is shut out. Data is not
//! re-encrypted, and the master key stays. Anyone who read that with a former key can still read any part of the
//! repository that they obtain.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rand::Rng as _;
use rustic_core::repofile::KeyFile as ResticKeyFile;
use rustic_core::{Credentials, FileType, Id};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::change::Change;
use crate::error::{BackupError, Result};
use crate::folder::{Folder, View};
use crate::key::RepositoryKey;
use crate::library;
use crate::master::{Master, Sealed};
use crate::repository::Repository;
use crate::store::Store;
use crate::whole;

/// Prefix of the user in restic's key file; the name of the key follows.
const USER: &str = "landfall-";

/// Random bytes that make the derived key different for each file.
const SALT_BYTES: usize = 64;

/// Fields of restic's key file that Landfall reads.
#[derive(Deserialize)]
struct KeyFile {
    #[serde(default)]
    username: String,
}

/// Returns the master key of the repository at this place, opened by this key. Reports damage that prevents this.
pub(crate) fn unlock(store: &Arc<dyn Store>, key: &RepositoryKey) -> Result<Master> {
    if let Sealed::Master(master) = Master::read(&**store, key)? {
        return Ok(master);
    }
    let root = store.place();
    let folder = Folder::new(store, View::default());
    let (whole, damaged): (Vec<Id>, Vec<Id>) = folder
        .listed(FileType::Key)?
        .into_iter()
        .map(|(id, _)| id)
        .partition(|id| whole::is_whole(&**store, FileType::Key, id));
    if whole.is_empty() {
        return Err(BackupError::damaged(root, "none of the files that a key opens can be read"));
    }
    let hidden = damaged.iter().map(|id| Folder::relative(FileType::Key, id)).collect();
    let folder = Arc::new(Folder::new(store, View { hidden, ..View::default() }));
    let password = Credentials::Password(key.password().to_string());
    match library::open(&folder, &password) {
        Ok(opened) => Master::of_library(&opened.key())
            .ok_or_else(|| BackupError::damaged(root, "its master key is not one of this format")),
        Err(error) if error.is_incorrect_password() => Err(BackupError::WrongKey(root.to_owned())),
        Err(error) => Err(library::damage(root, "its file config is changed", error)),
    }
}

impl Repository {
    /// Lets another key open the repository as well, durably. A key that already opens it changes nothing.
    pub fn admit(&self, key: &RepositoryKey) -> Result<()> {
        let admitted = self.is_admitted(key).and_then(|is_admitted| {
            if is_admitted {
                return Ok(());
            }
            let change = Change::begin(self)?;
            self.write_files_of(key, &Master::read(&**self.store(), key)?)?;
            change.finish()
        });
        self.settle(admitted)
    }

    /// Returns true if this is the key with which the repository was opened.
    pub fn opens_with(&self, key: &RepositoryKey) -> bool {
        self.key() == key
    }

    /// Shuts these keys out, durably, except the repository's own, even if listed. Returns the number of other
    /// passwords that open the repository, which a person added with restic.
    pub fn shut_out(&self, former: &[RepositoryKey]) -> Result<usize> {
        self.settle(self.shut_out_each(former))
    }

    fn shut_out_each(&self, former: &[RepositoryKey]) -> Result<usize> {
        let former: Vec<&RepositoryKey> = former.iter().filter(|key| *key != self.key()).collect();
        let mut listed = self.key_files()?;
        if !self.files_of(&former, &listed)?.is_empty() {
            let change = Change::begin(self)?;
            // The own key must be complete before the last other access is removed.
            self.write_files_of(self.key(), &Master::read(&**self.store(), self.key())?)?;
            listed = self.key_files()?;
            for file in self.files_of(&former, &listed)? {
                self.store().remove(&file)?;
            }
            change.finish()?;
        }
        Ok(listed.iter().filter(|(_, user)| !user.starts_with(USER)).count())
    }

    /// Rewrites lost or damaged files of the repository's own key. A process that opened the repository with a key that
    /// has since been shut out does not readmit that key.
    pub(crate) fn mend_files_of_key(&self) -> Result<()> {
        let sealed = Master::read(&**self.store(), self.key())?;
        if matches!(sealed, Sealed::Missing) && !Master::files(&**self.store())?.is_empty() {
            return Ok(());
        }
        if self.write_files_of(self.key(), &sealed)? {
            tracing::warn!(folder = %self.folder().display(), "a file of the key was lost and is written again");
        }
        Ok(())
    }

    /// Returns true if both files of a key are intact.
    fn is_admitted(&self, key: &RepositoryKey) -> Result<bool> {
        let is_sealed = matches!(Master::read(&**self.store(), key)?, Sealed::Master(_));
        Ok(is_sealed && self.has_key_file(key)?)
    }

    /// Rewrites lost or damaged files of a key. Returns true if it wrote any.
    fn write_files_of(&self, key: &RepositoryKey, sealed: &Sealed) -> Result<bool> {
        let (has_key_file, is_sealed) = (self.has_key_file(key)?, matches!(sealed, Sealed::Master(_)));
        if !has_key_file {
            self.add_key_file(&Folder::new(self.store(), View::default()), key)?;
        }
        if !is_sealed {
            self.master().write(&**self.store(), key)?;
        }
        Ok(!has_key_file || !is_sealed)
    }

    /// Adds the file by which a key, as restic's password, opens the repository.
    pub(crate) fn add_key_file(&self, folder: &Folder, key: &RepositoryKey) -> Result<()> {
        let written = |error: serde_json::Error| BackupError::Bug(format!("a key file: {error}"));
        let mut salt = vec![0; SALT_BYTES];
        rand::rng().fill_bytes(&mut salt);
        let plain = Zeroizing::new(serde_json::to_vec(&self.master().to_library()).map_err(written)?);
        let data = key.derivation().lock(&key.password(), &salt)?.seal(&plain)?;
        let (n, r, p) = key.derivation().numbers();
        let file = ResticKeyFile {
            hostname: Some(self.site().to_string()),
            username: Some(user_of(key)),
            created: Some(Timestamp::now().to_zoned(TimeZone::UTC)),
            kdf: "scrypt".to_owned(),
            n,
            r,
            p,
            data,
            salt,
        };
        let bytes = serde_json::to_vec(&file).map_err(written)?;
        folder.store(FileType::Key, &whole::digest_of_bytes(&bytes), &bytes)
    }

    fn has_key_file(&self, key: &RepositoryKey) -> Result<bool> {
        let user = user_of(key);
        let is_it =
            |(id, found): &(Id, String)| *found == user && whole::is_named_right(&**self.store(), FileType::Key, id);
        Ok(self.key_files()?.iter().any(is_it))
    }

    /// Returns the files by which one of these keys may open the repository, including damaged ones, relative to its
    /// folder.
    fn files_of(&self, keys: &[&RepositoryKey], listed: &[(Id, String)]) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for key in keys {
            let user = user_of(key);
            let named = listed.iter().filter(|(_, found)| *found == user);
            files.extend(named.map(|(id, _)| Folder::relative(FileType::Key, id)));
            if !matches!(Master::read(&**self.store(), key)?, Sealed::Missing) {
                files.push(Master::file_of(key));
            }
        }
        Ok(files)
    }

    /// Returns restic's key files, each with the user that it names, or an empty string.
    fn key_files(&self) -> Result<Vec<(Id, String)>> {
        let root = self.folder();
        let mut found = Vec::new();
        for (id, _) in Folder::new(self.store(), View::default()).listed(FileType::Key)? {
            let file = Folder::relative(FileType::Key, &id);
            let read = self.store().read(&file);
            let bytes = read.map_err(|error| BackupError::io("read", &root.join(file), error))?;
            let user = serde_json::from_slice(&bytes).map_or_else(|_| String::new(), |file: KeyFile| file.username);
            found.push((id, user));
        }
        Ok(found)
    }
}

fn user_of(key: &RepositoryKey) -> String {
    format!("{USER}{}", key.name())
}
