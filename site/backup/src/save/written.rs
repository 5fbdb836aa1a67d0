//! The files of a repository before a backup, so that what a stopped one has written can be removed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rustic_core::FileType;

use crate::error::Result;
use crate::folder::{Folder, View};
use crate::repository::Repository;

/// What refers to others comes before them: an interrupted removal leaves nothing that refers to a missing file.
const KINDS: [FileType; 3] = [FileType::Snapshot, FileType::Index, FileType::Pack];

/// Files that were there, relative to the repository's folder.
pub(super) struct Written(BTreeSet<PathBuf>);

impl Written {
    /// The files that are there now.
    pub(super) fn of(repository: &Repository) -> Result<Self> {
        let mut all = BTreeSet::new();
        for kind in KINDS {
            all.extend(files(repository, kind)?);
        }
        Ok(Self(all))
    }

    /// Removes what was written since, under the repository's lock. It is gone from the disk when this returns.
    pub(super) fn remove_later(&self, repository: &Repository) -> Result<()> {
        for kind in KINDS {
            for file in files(repository, kind)?.into_iter().filter(|file| !self.0.contains(file)) {
                repository.store().remove(&file)?;
            }
        }
        Ok(())
    }
}

fn files(repository: &Repository, kind: FileType) -> Result<Vec<PathBuf>> {
    let found = Folder::new(repository.store(), View::default()).listed(kind)?;
    Ok(found.into_iter().map(|(id, _)| Folder::relative(kind, &id)).collect())
}
