//! A log as JSON lines.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::entry::Entry;

/// A line of an exported log. Entries are in their order. A checkpoint follows the entry that it is about, and exactly one line with the
/// head ends the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Line {
    /// An entry with its hash.
    AuditEntry {
        /// Form of this line.
        schema: u32,
        /// The entry.
        entry: Entry,
        /// Its hash, in hexadecimal.
        hash: String,
    },
    /// What the site's host signed when the entry before this line was the last one.
    AuditCheckpoint {
        /// Form of this line.
        schema: u32,
        /// The checkpoint.
        checkpoint: Checkpoint,
    },
    /// The end of the log at the time of the export.
    AuditHead {
        /// Form of this line.
        schema: u32,
        /// When the export began.
        exported: Timestamp,
        /// `NUMBER:HASH` of the last entry.
        head: String,
    },
}

/// Form of the lines.
pub const SCHEMA: u32 = 1;

impl Line {
    /// Reads a line that is exactly as the export writes it.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let parsed: Self = serde_json::from_str(text).ok()?;
        let (Self::AuditEntry { schema, .. } | Self::AuditCheckpoint { schema, .. } | Self::AuditHead { schema, .. }) =
            &parsed;
        let is_exact = serde_json::to_string(&parsed).is_ok_and(|exact| exact == text);
        (*schema == SCHEMA && is_exact).then_some(parsed)
    }
}

/// The line of a stored entry. Its text goes out as it is, also where it was tampered with: the verifier must see it.
pub fn entry_line(entry: &str, hash: &str) -> String {
    let hash = serde_json::Value::from(hash);
    format!("{{\"kind\":\"auditEntry\",\"schema\":{SCHEMA},\"entry\":{entry},\"hash\":{hash}}}\n")
}

/// The line of a stored checkpoint, as it is.
pub fn checkpoint_line(checkpoint: &str) -> String {
    format!("{{\"kind\":\"auditCheckpoint\",\"schema\":{SCHEMA},\"checkpoint\":{checkpoint}}}\n")
}
