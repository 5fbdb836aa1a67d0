//! An entry of the log, and the bytes that are hashed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::head::{Hash, Head};

/// Maximum size of the text of an entry that is followed, in bytes. The console writes at most a few KiB. A longer
/// entry was written by an owner of its database, and is treated as a broken one.
pub const ENTRY_BYTES: usize = 4 << 20;

/// The outcome of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The action was done.
    Done,
    /// The action was refused, or it failed.
    Refused,
}

/// An entry of the log. Its canonical form is JSON without spaces, with the fields in this order, which is
/// alphabetical.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Action: `user.create`, `session.begin` …
    pub action: String,
    /// Actor: a user's name, `key:ID of NAME`, or `-`.
    pub actor: String,
    /// Time, RFC 3339 in UTC with milliseconds.
    pub at: Timestamp,
    /// Id of the request, which is also in its log lines.
    pub correlation: String,
    /// Details for users.
    pub detail: String,
    /// Address from which the request came.
    pub from: String,
    /// Number of the entry, from 1, without gaps.
    pub number: i64,
    /// Object of the action.
    pub object: String,
    /// Outcome of the action.
    pub outcome: Outcome,
}

/// Action of an entry that records the removal of the oldest entries; its object is the head of the removed entries.
pub const DROP: &str = "audit.drop";

impl Entry {
    /// Returns true if it records that the entries up to this one were dropped.
    pub fn records_drop(&self, start: Head) -> bool {
        self.action == DROP && self.outcome == Outcome::Done && self.object == start.to_string()
    }

    /// Returns the bytes that are hashed.
    pub fn canonical(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Returns the hash of this entry, given that of the previous one.
    pub fn hash(&self, previous: &Hash) -> Result<Hash, serde_json::Error> {
        Ok(hash(previous, &self.canonical()?))
    }
}

/// Computes the SHA-256 of the previous hash (32 bytes) followed by the canonical text.
pub fn hash(previous: &Hash, canonical: &str) -> Hash {
    Hash(Sha256::new().chain_update(previous.0).chain_update(canonical).finalize().into())
}
