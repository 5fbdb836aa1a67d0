//! A log as JSON lines.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::entry::Entry;

/// A line of an exported log. Entries are in order. A checkpoint follows its entry, and exactly one line with the head
/// ends the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Line {
    /// An entry with its hash.
    AuditEntry {
        /// Schema of this line.
        schema: u32,
        /// The entry.
        entry: Entry,
        /// Hash of the entry in hexadecimal.
        hash: String,
    },
    /// A checkpoint that the site's host signed when the entry before this line was the last one.
    AuditCheckpoint {
        /// Schema of this line.
        schema: u32,
        /// The checkpoint.
        checkpoint: Checkpoint,
    },
    /// The end of the log at the time of the export.
    AuditHead {
        /// Schema of this line.
        schema: u32,
        /// Time at which the export began.
        exported: Timestamp,
        /// `NUMBER:HASH` of the last entry.
        head: String,
    },
}

/// Schema of the lines.
pub const SCHEMA: u32 = 1;

impl Line {
    /// Reads a line that has exactly the form that the export writes.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let parsed: Self = serde_json::from_str(text).ok()?;
        let (Self::AuditEntry { schema, .. } | Self::AuditCheckpoint { schema, .. } | Self::AuditHead { schema, .. }) =
            &parsed;
        let is_exact = serde_json::to_string(&parsed).is_ok_and(|exact| exact == text);
        (*schema == SCHEMA && is_exact).then_some(parsed)
    }
}

/// Returns the line of a stored entry. Its text is unchanged, even if it was tampered with: the verifier must see it.
pub fn entry_line(entry: &str, hash: &str) -> String {
    let hash = serde_json::Value::from(hash);
    format!("{{\"kind\":\"auditEntry\",\"schema\":{SCHEMA},\"entry\":{entry},\"hash\":{hash}}}\n")
}

/// Returns the line of a stored checkpoint, unchanged.
pub fn checkpoint_line(checkpoint: &str) -> String {
    format!("{{\"kind\":\"auditCheckpoint\",\"schema\":{SCHEMA},\"checkpoint\":{checkpoint}}}\n")
}
