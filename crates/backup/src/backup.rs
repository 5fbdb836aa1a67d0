//! A backup: its ID, kind, streams, facts and proof.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use rustic_core::Id;
use serde::{Deserialize, Serialize};

use crate::names::{NameError, StreamName};

/// Tolerance for a label in the future: time servers correct clocks by less.
const CORRECTION: SignedDuration = SignedDuration::from_mins(5);

/// Permanent name of a backup: the ID of its first snapshot. A mark creates another snapshot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BackupId(Id);

impl BackupId {
    pub(crate) fn of(id: Id) -> Self {
        Self(id)
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.to_hex().as_str())
    }
}

impl fmt::Debug for BackupId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for BackupId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.parse().map(Self).map_err(|_| NameError::new(text, "the id of a backup has 64 hexadecimal digits"))
    }
}

/// A stream or document of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    /// Path within the backup.
    pub name: StreamName,
    /// Size in bytes.
    pub size_bytes: u64,
    /// SHA-256 of all bytes, in hexadecimal; `None` if restic has rewritten the snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Result of a drill of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Time at which the drill ended.
    pub time: Timestamp,
    /// Report of the caller; empty if restic has rewritten the snapshot.
    pub report: String,
}

/// Kind of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupKind {
    /// All data.
    Full,
    /// Data written since another backup: useless without that one.
    Log,
}

/// A complete backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Name of the backup.
    pub id: BackupId,
    /// Kind of the backup.
    pub kind: BackupKind,
    /// Position in the order of the site's backups, starting at 1; `None` if an earlier `landfall` made it.
    pub sequence: Option<u64>,
    /// Start of the reading of its data, by a clock that may have been wrong: a label, never an order.
    pub time: Timestamp,
    /// Time when all of its data was stored; `None` if restic has rewritten the snapshot.
    pub ended: Option<Timestamp>,
    /// Facts that the caller recorded about it.
    pub facts: BTreeMap<String, String>,
    /// Streams and documents, sorted by name.
    pub streams: Vec<Stream>,
    /// The latest drill, if every check passed.
    pub proof: Option<Proof>,
    /// The latest drill, if a check failed. A backup never has both.
    pub disproof: Option<Proof>,
}

impl Backup {
    /// Returns the sort key for the order in which backups were made. Those without a sequence number come first, by
    /// time.
    pub fn order(&self) -> (Option<u64>, Timestamp, BackupId) {
        (self.sequence, self.time, self.id)
    }

    /// Returns true if the backup's label is later than `now`, which means that one clock is wrong. Time servers
    /// correct clocks by less than the tolerance.
    pub fn is_of_future(&self, now: Timestamp) -> bool {
        self.time.duration_since(now) > CORRECTION
    }

    /// Returns true for a backup of all data, false for a log backup.
    pub fn is_full(&self) -> bool {
        self.kind == BackupKind::Full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(sequence: Option<u64>, time: &str) -> Backup {
        Backup {
            id: BackupId(Id::default()),
            kind: BackupKind::Full,
            sequence,
            time: time.parse().unwrap(),
            ended: None,
            facts: BTreeMap::new(),
            streams: Vec::new(),
            proof: None,
            disproof: None,
        }
    }

    #[test]
    fn sequence_outranks_the_clock() {
        let made = |sequence: Option<u64>, time: &str| backup(sequence, time).order();
        let (earlier, ahead) = (made(None, "2026-11-20T02:00:00Z"), made(None, "2031-01-01T00:00:00Z"));
        let (first, second) = (made(Some(1), "2026-11-21T02:00:00Z"), made(Some(2), "2020-01-01T00:00:00Z"));
        assert!(earlier < ahead && ahead < first && first < second);
    }
}
