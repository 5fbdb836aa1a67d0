//! What the check finds.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::backup::BackupId;
use crate::names::StreamName;

/// The kind of a damaged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What makes the folder a repository. Without it nothing can be read.
    Config,
    /// One of the two files that a key opens. The other one is enough, and the next change writes this one again.
    Key,
    /// A backup's facts and the way to its data.
    Snapshot,
    /// Where data is, in packs.
    Index,
    /// Data.
    Pack,
    /// What must exist. The next change writes it again.
    Ledger,
}

/// How a file is damaged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It does not exist.
    Missing,
    /// It has other bytes than it was written with.
    Changed,
    /// The disk does not return its bytes; with what the kernel said.
    Unreadable(String),
    /// Its bytes are those that were written, but some of them cannot be decrypted or are not what their id says.
    Invalid,
    /// Index files are whole, and together they lack data that backups need.
    Incomplete,
}

/// What a damage takes of one backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Which backup.
    pub backup: BackupId,
    /// When its data was read, if that is still known.
    pub time: Option<Timestamp>,
    /// Streams that can no longer be read to their ends, sorted; none of them is known if this is empty.
    pub streams: Vec<StreamName>,
}

/// A damaged file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What kind of file it is.
    pub part: Part,
    /// Which file, relative to the repository's folder.
    pub file: PathBuf,
    /// How it is damaged.
    pub what: What,
    /// What can no longer be restored because of it: nothing, if no backup needs the file.
    pub takes: Vec<Taken>,
}

impl fmt::Display for What {
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
    /// One line, such as `data/0f/0f… is missing: takes postgres/database of the backup of 2026-11-21T12:00:00Z`.
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
