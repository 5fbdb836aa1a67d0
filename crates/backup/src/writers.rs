//! Lock for writers of data in a repository. Data is written concurrently with other changes, for hours if there is
//! much of it. Only the records that turn it into a backup are written under the lock of a [`crate::change::Change`].
//!
//! Writers of data share this second lock. An operation takes it exclusively if it removes data, or looks up stored
//! data so as not to write it again. Therefore nothing removes data that a backup in progress has written or refers to.
//! Nor does a backup refer to data that another one in progress may remove again. A log backup looks up no earlier
//! data, so it can be stored concurrently with a backup of all data. This lock is taken before the lock of a change.

use std::fs::File;

use crate::error::Result;
use crate::repository::{Lock, Repository};

/// Right to write data, until it is dropped.
pub(crate) struct Writers(Option<File>);

impl Writers {
    /// Takes the lock exclusively, after all other writers have ended.
    pub(crate) fn alone(repository: &Repository) -> Result<Self> {
        Self::lock(repository, repository.store().writers_file()?, Lock::Exclusive)
    }

    /// Takes the lock shared, once nothing removes data.
    pub(crate) fn beside_others(repository: &Repository) -> Result<Self> {
        Self::lock(repository, repository.store().writers_file()?, Lock::Shared)
    }

    /// Downgrades the lock to shared, to admit other writers.
    pub(crate) fn admit_others(self, repository: &Repository) -> Result<Self> {
        Self::lock(repository, self.0, Lock::Shared)
    }

    fn lock(repository: &Repository, file: Option<File>, lock: Lock) -> Result<Self> {
        file.map(|file| repository.lock_file(file, lock)).transpose().map(Self)
    }
}
