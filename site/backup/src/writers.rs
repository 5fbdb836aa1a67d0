//! Who writes data into a repository. Data is written beside other changes, for hours if there is much of it; only what makes
//! it a backup is written under the lock of a [`crate::change::Change`].
//!
//! Whoever writes data holds this second lock with others. Whoever removes data, or looks for data that it need not write
//! again, takes it alone: so nothing removes what a backup in progress has written or refers to, and no backup refers to what
//! another one in progress may remove again. A log backup looks for no earlier data, so it is stored beside a backup of all data.
//! This lock is taken before that of a change.

use std::fs::File;

use crate::error::Result;
use crate::repository::{Lock, Repository};

/// The right to write data, until it is dropped.
pub(crate) struct Writers(Option<File>);

impl Writers {
    /// Waits until nothing else writes.
    pub(crate) fn alone(repository: &Repository) -> Result<Self> {
        Self::lock(repository, repository.store().writers_file()?, Lock::Exclusive)
    }

    /// Waits until nothing removes data.
    pub(crate) fn beside_others(repository: &Repository) -> Result<Self> {
        Self::lock(repository, repository.store().writers_file()?, Lock::Shared)
    }

    /// Lets others write beside, too.
    pub(crate) fn admit_others(self, repository: &Repository) -> Result<Self> {
        Self::lock(repository, self.0, Lock::Shared)
    }

    fn lock(repository: &Repository, file: Option<File>, lock: Lock) -> Result<Self> {
        file.map(|file| repository.lock_file(file, lock)).transpose().map(Self)
    }
}
