//! Copies of backups in another repository of the same site, on a disk that is kept elsewhere.

use std::num::NonZero;
use std::thread::available_parallelism;

use rayon::ThreadPoolBuilder;
use rustic_core::repofile::SnapshotFile;

use crate::backup::{Backup, BackupId};
use crate::change::Change;
use crate::error::{BackupError, Result};
use crate::library::{self, IndexedRepository};
use crate::repository::Repository;
use crate::save::use_few_cores;
use crate::walk;
use crate::writers::Writers;

impl Repository {
    /// Copies a backup, including its proof, to another repository. Data that it already has is not copied again. On
    /// return, the whole copy is durable; on failure, the other repository's backups are unchanged.
    pub fn copy_to(&self, id: BackupId, other: &Self) -> Result<()> {
        self.copy_all_to(&[id], other)
    }

    /// Copies several backups in order, as [`Repository::copy_to`] does. A failure does not prevent the other copies;
    /// the first one is returned at the end.
    pub fn copy_all_to(&self, ids: &[BackupId], other: &Self) -> Result<()> {
        other.settle(self.settle(self.copy_each_to(ids, other)))
    }

    fn copy_each_to(&self, ids: &[BackupId], other: &Self) -> Result<()> {
        let found = self.find_all(ids)?;
        let _writers = Writers::alone(other)?;
        other.store().remove_leftovers()?;
        let mut change = Change::begin(other)?;
        let there = other.everything()?;
        let (_, source) = self.indexed_session()?;
        let mut failure = None;
        for (backup, mut snapshot) in found {
            if there.full.contains(&backup) || there.logs.contains(&backup) {
                continue;
            }
            snapshot.original.get_or_insert(snapshot.id);
            let copied = self
                .refuse_incomplete(&source, &backup, &snapshot)
                .and_then(|()| on_few_cores(|| copy(&source, other, &snapshot, &backup, &mut change)));
            match copied {
                // The disk accepts no more data.
                Err(error) if error.is_of_place() => return Err(error),
                copied => failure = failure.or(copied.err()),
            }
        }
        change.finish()?;
        failure.map_or(Ok(()), Err)
    }

    /// Returns an error if the index lacks data of the backup, which the library would silently leave out.
    fn refuse_incomplete(&self, source: &IndexedRepository, backup: &Backup, snapshot: &SnapshotFile) -> Result<()> {
        let (files, unread) = walk::files(source, snapshot.tree);
        if let Some(unread) = unread.into_iter().next() {
            return Err(library::damage(
                self.folder(),
                format!("a tree of {} cannot be read", backup.id),
                unread.error,
            ));
        }
        for file in files {
            if let Some(blob) = file.content.iter().find(|blob| source.get_index_entry(*blob).is_err()) {
                let what = format!("{} of {} lacks the blob {}", file.name, backup.id, blob.to_hex().as_str());
                return Err(BackupError::damaged(self.folder(), what));
            }
        }
        Ok(())
    }
}

/// Runs this on a few separate threads. The library reads with all threads of the pool that it finds, and each holds a
/// pack.
fn on_few_cores(work: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    let worked = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            use_few_cores();
            let threads = available_parallelism().map_or(1, NonZero::get);
            let pool = ThreadPoolBuilder::new().num_threads(threads).build();
            pool.map_err(|error| BackupError::Bug(error.to_string()))?.install(work)
        });
        worker.join()
    });
    worked.map_err(|_| BackupError::Bug("the copy of a backup panicked".to_owned()))?
}

fn copy(
    source: &IndexedRepository,
    other: &Repository,
    snapshot: &SnapshotFile,
    backup: &Backup,
    change: &mut Change<'_>,
) -> Result<()> {
    let (folder, opened) = other.session(other.view_of_whole_indexes()?)?;
    let failure = |error| library::failure(&folder, "copy a backup", error);
    let indexed = opened.to_indexed_ids().map_err(failure)?;
    source.copy(&indexed, [snapshot]).map_err(failure)?;
    let new = folder.last_snapshot().ok_or_else(|| BackupError::Bug("no snapshot was written".to_owned()))?;
    change.add(new.into(), backup)
}
