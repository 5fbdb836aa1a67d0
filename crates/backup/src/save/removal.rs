//! Removal of the files that a stopped backup has written.

use rustic_core::FileType;

use crate::change::Change;
use crate::error::Result;
use crate::repository::{Lock, Repository};
use crate::written::WrittenFiles;

/// Kinds of files, referring ones first: an interrupted removal leaves nothing that refers to a missing file.
const KINDS: [FileType; 3] = [FileType::Snapshot, FileType::Index, FileType::Pack];

/// Removes all of these files, durably. No other backup refers to them, because no backup that looks up stored data
/// runs concurrently.
pub(super) fn of_written(repository: &Repository, written: &WrittenFiles) -> Result<()> {
    // This precedes the ledger, which cannot be written to a full disk.
    let lock = repository.lock(Lock::Exclusive)?;
    let files = written.take();
    for kind in KINDS {
        for file in files.iter().filter(|file| file.starts_with(kind.dirname())) {
            repository.store().remove(file)?;
        }
    }
    drop(lock);
    Change::begin(repository)?.finish()
}
