//! The ledger: a list of the snapshots and index files that must exist. restic has no such list, so a deleted file
//! would go unnoticed. The ledger's folder is ignored by restic.
//!
//! Only the check needs it. Losing the ledger costs no backup: the next change rebuilds it from the existing files.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::backup::{Backup, BackupId};
use crate::error::{BackupError, Result};
use crate::names::StreamName;
use crate::store::Store;

/// Path of the file, relative to the repository's folder.
pub(crate) const FILE: &str = "landfall/ledger.json";

/// List of the files that must exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ledger {
    /// Site that owns the repository.
    pub site: Uuid,
    /// Snapshots by the names of their files.
    pub snapshots: BTreeMap<String, Entry>,
    /// Last assigned sequence number; `None` if it must be determined, because an earlier `landfall` wrote the ledger
    /// or it was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sequence: Option<u64>,
    /// Names of index files; `None` while a change may replace some, or after an interrupted one.
    pub indexes: Option<BTreeSet<String>>,
}

/// Backup of a snapshot, as reported if the snapshot is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub backup: BackupId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    pub time: Timestamp,
    pub streams: Vec<StreamName>,
}

impl Entry {
    pub(crate) fn of(backup: &Backup) -> Self {
        let streams = backup.streams.iter().map(|stream| stream.name.clone()).collect();
        Self { backup: backup.id, sequence: backup.sequence, time: backup.time, streams }
    }

    /// Returns the sort key for the order in which backups were made; see [`Backup::order`].
    pub(crate) fn order(&self) -> (Option<u64>, Timestamp, BackupId) {
        (self.sequence, self.time, self.backup)
    }
}

/// Result of reading the ledger.
#[derive(Debug)]
pub(crate) enum LedgerState {
    Ledger(Ledger),
    Missing,
    Changed,
}

impl Ledger {
    pub(crate) fn new(site: Uuid) -> Self {
        Self { site, snapshots: BTreeMap::new(), last_sequence: None, indexes: None }
    }

    /// Adds a snapshot that exists. Its sequence number is never assigned again.
    pub(crate) fn add(&mut self, name: String, backup: &Backup) {
        self.last_sequence = self.last_sequence.map(|last| last.max(backup.sequence.unwrap_or_default()));
        self.snapshots.entry(name).or_insert_with(|| Entry::of(backup));
    }

    /// Reads the ledger of a repository.
    pub(crate) fn read(store: &dyn Store) -> Result<LedgerState> {
        match store.read(Path::new(FILE)) {
            Ok(bytes) => Ok(Self::parse(&bytes).map_or(LedgerState::Changed, LedgerState::Ledger)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(LedgerState::Missing),
            Err(error) => Err(BackupError::io("read", &store.place().join(FILE), error)),
        }
    }

    /// Writes the ledger durably.
    pub(crate) fn write(&self, store: &dyn Store) -> Result<()> {
        store.write(Path::new(FILE), &self.to_bytes()?)
    }

    /// Encodes a line with the SHA-256 of the rest, followed by the ledger as JSON.
    fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self).map_err(|error| BackupError::Bug(error.to_string()))?;
        json.push(b'\n');
        let mut bytes = first_line(&json).into_bytes();
        bytes.append(&mut json);
        Ok(bytes)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (line, json) = bytes.split_at_checked(first_line(&[]).len())?;
        if line != first_line(json).as_bytes() {
            return None;
        }
        serde_json::from_slice(json).ok()
    }
}

fn first_line(json: &[u8]) -> String {
    format!("sha256:{}\n", hex::encode(Sha256::digest(json)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_ledger_is_refused() {
        let mut ledger = Ledger::new(Uuid::nil());
        ledger.indexes = Some(BTreeSet::from(["0f".repeat(32)]));
        let whole = ledger.to_bytes().unwrap();
        assert_eq!(Ledger::parse(&whole), Some(ledger));
        for position in 0..whole.len() {
            let mut changed = whole.clone();
            changed[position] ^= 1;
            assert_eq!(Ledger::parse(&changed), None, "byte {position}");
            assert_eq!(Ledger::parse(&whole[..position]), None, "{position} bytes");
        }
    }
}
