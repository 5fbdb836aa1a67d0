//! Changes of the repository, under its lock and with its ledger.

use std::collections::BTreeSet;
use std::fs::File;

use rustic_core::FileType;
use rustic_core::repofile::SnapshotId;

use crate::backup::Backup;
use crate::error::Result;
use crate::folder::{Folder, View};
use crate::key_files;
use crate::ledger::{Entry, Ledger, LedgerState};
use crate::repository::{Lock, Repository};

/// Exclusive right to change the repository, from [`Change::begin`] until it is dropped.
pub(crate) struct Change<'a> {
    repository: &'a Repository,
    ledger: Ledger,
    _lock: Option<File>,
}

impl<'a> Change<'a> {
    /// Takes the lock, replaces lost files of the key, and writes the ledger of a change in progress.
    pub(crate) fn begin(repository: &'a Repository) -> Result<Self> {
        let lock = repository.lock(Lock::Exclusive)?;
        let mut change = Self { repository, ledger: read_ledger(repository)?, _lock: lock };
        change.adopt()?;
        change.ledger.indexes = None;
        change.write()?;
        key_files::mend(repository.store(), repository.site(), repository.master(), repository.key())?;
        Ok(change)
    }

    /// Adds a snapshot that exists to the ledger.
    pub(crate) fn add(&mut self, snapshot: SnapshotId, backup: &Backup) -> Result<()> {
        self.ledger.add(name_of(snapshot), backup);
        self.write()
    }

    /// Returns the sequence number for the backup in progress: greater than any other, whatever the clock says. It
    /// counts as used once a snapshot has it.
    pub(crate) fn next_sequence(&mut self) -> Result<u64> {
        let last = if let Some(last) = self.ledger.last_sequence {
            last
        } else {
            let readable = self.repository.all_snapshots()?.into_iter().filter_map(|(backup, _)| backup.sequence);
            let named = self.ledger.snapshots.values().filter_map(|entry| entry.sequence);
            readable.chain(named).max().unwrap_or_default()
        };
        self.ledger.last_sequence = Some(last);
        Ok(last.saturating_add(1))
    }

    /// Makes sure that sequence numbers up to this one are never assigned.
    pub(crate) fn skip_sequence(&mut self, last: u64) -> Result<()> {
        let next = self.next_sequence()?;
        self.ledger.last_sequence = Some(last.max(next - 1));
        self.write()
    }

    /// Removes snapshots, and first their entries in the ledger.
    pub(crate) fn remove(&mut self, snapshots: &[SnapshotId]) -> Result<()> {
        for snapshot in snapshots {
            self.ledger.snapshots.remove(&name_of(*snapshot));
        }
        self.write()
    }

    /// Returns lost snapshots with their backups.
    pub(crate) fn lost_snapshots(&self) -> Result<Vec<(SnapshotId, Entry)>> {
        let present = self.present(FileType::Snapshot)?;
        let lost = self.ledger.snapshots.iter().filter(|(name, _)| !present.contains(*name));
        Ok(lost.filter_map(|(name, entry)| Some((name.parse().ok()?, entry.clone()))).collect())
    }

    /// Ends the change: the ledger names the index files again.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.ledger.indexes = Some(self.present(FileType::Index)?);
        self.write()
    }

    /// Adds snapshots that the ledger lacks: a change was interrupted, or restic has rewritten a snapshot.
    fn adopt(&mut self) -> Result<()> {
        let present = self.present(FileType::Snapshot)?;
        if present.iter().all(|name| self.ledger.snapshots.contains_key(name)) {
            return Ok(());
        }
        let mut backups = BTreeSet::new();
        for (backup, snapshot) in self.repository.all_snapshots()? {
            backups.insert(backup.id);
            self.ledger.add(name_of(snapshot.id), &backup);
        }
        self.ledger.snapshots.retain(|name, entry| present.contains(name) || !backups.contains(&entry.backup));
        Ok(())
    }

    fn present(&self, kind: FileType) -> Result<BTreeSet<String>> {
        let folder = Folder::new(self.repository.store(), View::default());
        Ok(folder.list_files(kind)?.into_iter().map(|(id, _)| id.to_hex().as_str().to_owned()).collect())
    }

    fn write(&self) -> Result<()> {
        self.ledger.write(&**self.repository.store())
    }
}

impl Repository {
    /// Gives the next backup a greater sequence number than this one, which another repository of the site has. Durable
    /// on return.
    pub fn continue_after(&self, sequence: u64) -> Result<()> {
        let mut change = Change::begin(self)?;
        change.skip_sequence(sequence)?;
        change.finish()
    }
}

/// Returns the ledger, or an empty one if it is lost.
fn read_ledger(repository: &Repository) -> Result<Ledger> {
    match Ledger::read(&**repository.store())? {
        LedgerState::Ledger(ledger) => Ok(ledger),
        found => {
            tracing::warn!(folder = %repository.folder().display(), ?found, "the ledger is lost and is written again");
            Ok(Ledger::new(repository.site()))
        }
    }
}

fn name_of(snapshot: SnapshotId) -> String {
    snapshot.to_hex().as_str().to_owned()
}
