//! Exchange of one key of a repository for another.
//!
//! An exchange has two halves, so that at every instant, a key that a user holds opens the repository. First the new
//! key opens it in addition to the previous one; once a user has the new key, the previous one is shut out. Data is not
//! re-encrypted, and the master key stays. Anyone who read the master key with a previous key can still read any part
//! of the repository that they obtain.

use crate::change::Change;
use crate::error::Result;
use crate::key::RepositoryKey;
use crate::key_files;
use crate::master::Master;
use crate::repository::Repository;

impl Repository {
    /// Lets another key open the repository as well, durably. A key that already opens it changes nothing.
    pub fn admit(&self, key: &RepositoryKey) -> Result<()> {
        let admitted = key_files::are_intact(self.store(), key).and_then(|is_admitted| {
            if is_admitted {
                return Ok(());
            }
            let change = Change::begin(self)?;
            self.write_files_of(key)?;
            change.finish()
        });
        self.settle(admitted)
    }

    /// Returns true if this is the key with which the repository was opened.
    pub fn opens_with(&self, key: &RepositoryKey) -> bool {
        self.key() == key
    }

    /// Shuts these keys out, durably, except the repository's own, even if listed. Returns the number of other
    /// passwords that open the repository, which someone added with restic.
    pub fn shut_out(&self, former: &[RepositoryKey]) -> Result<usize> {
        self.settle(self.shut_out_each(former))
    }

    fn shut_out_each(&self, former: &[RepositoryKey]) -> Result<usize> {
        let former: Vec<&RepositoryKey> = former.iter().filter(|key| *key != self.key()).collect();
        let mut listed = key_files::listed(self.store())?;
        if !key_files::of_keys(self.store(), &former, &listed)?.is_empty() {
            let change = Change::begin(self)?;
            // The new key's files must be complete before the last other access is removed.
            self.write_files_of(self.key())?;
            listed = key_files::listed(self.store())?;
            for file in key_files::of_keys(self.store(), &former, &listed)? {
                self.store().remove(&file)?;
            }
            change.finish()?;
        }
        Ok(listed.iter().filter(|(_, user)| key_files::is_of_person(user)).count())
    }

    /// Writes the files of a key that are lost or damaged.
    fn write_files_of(&self, key: &RepositoryKey) -> Result<()> {
        let sealed = Master::read(&**self.store(), key)?;
        key_files::write_lost(self.store(), self.site(), self.master(), key, &sealed).map(drop)
    }
}
