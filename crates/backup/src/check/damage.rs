//! Findings of the check.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::backup::BackupId;
use crate::names::StreamName;

/// The kind of a damaged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The file that makes the folder a repository. Without it nothing can be read.
    Config,
    /// One of the two files that a key opens. The other one is sufficient, and the next change writes this one again.
    Key,
    /// Facts of a backup and references to its data.
    Snapshot,
    /// Locations of data in packs.
    Index,
    /// Data.
    Pack,
    /// List of files that must exist. The next change writes it again.
    Ledger,
}

/// Kind of damage to a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DamageKind {
    /// It does not exist.
    Missing,
    /// Its bytes differ from those that were written.
    Changed,
    /// The disk does not return its bytes; with the kernel's message.
    Unreadable(String),
    /// Its bytes are as written, but some cannot be decrypted or do not match their ID.
    Invalid,
    /// The index files are intact, but together they lack data that backups need.
    Incomplete,
}

/// Loss that damage causes to one backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupLoss {
    /// The backup.
    pub backup: BackupId,
    /// Time when its data was read, if still known.
    pub time: Option<Timestamp>,
    /// Streams that can no longer be read completely, sorted; if empty, no stream is known.
    pub streams: Vec<StreamName>,
}

/// A damaged file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Kind of the file.
    pub part: Part,
    /// Path relative to the repository's folder.
    pub file: PathBuf,
    /// The damage.
    pub what: DamageKind,
    /// Data that can no longer be restored because of it; empty if no backup needs the file.
    pub takes: Vec<BackupLoss>,
}

impl fmt::Display for DamageKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => formatter.write_str("is missing"),
            Self::Changed => formatter.write_str("has other bytes than were written"),
            Self::Unreadable(said) => write!(formatter, "cannot be read ({said})"),
            Self::Invalid => formatter.write_str("holds data that does not match its id"),
            Self::Incomplete => formatter.write_str("lacks data that backups need"),
        }
    }
}

impl fmt::Display for Damage {
    /// Formats the damage on one line, such as `data/0f/0f… is missing: takes postgres/database of the backup of
    /// 2026-11-21T12:00:00Z`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.file.display(), self.what)?;
        if self.takes.is_empty() {
            return formatter.write_str(": takes no backup");
        }
        for (index, taken) in self.takes.iter().enumerate() {
            let streams: Vec<&str> = taken.streams.iter().map(StreamName::as_str).collect();
            let streams = if streams.is_empty() { "everything".to_owned() } else { streams.join(", ") };
            let backup = taken.time.map_or_else(|| taken.backup.to_string(), |time| format!("of {time}"));
            let separator = if index == 0 { ": takes" } else { "; and" };
            write!(formatter, "{separator} {streams} of the backup {backup}")?;
        }
        Ok(())
    }
}
