//! One entry, and the bytes of it that are hashed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::head::{Hash, Head};

/// Longest text of an entry that is followed, in bytes. The console writes a few KiB at most; a longer one than this was written by
/// whoever owns its database, and is as good as a broken one.
pub const ENTRY_BYTES: usize = 4 << 20;

/// What became of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused, or failed.
    Refused,
}

/// One entry. Its canonical form is JSON without spaces, with the fields in this order, which is that of the alphabet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What was done: `user.create`, `session.begin` …
    pub action: String,
    /// Who did it: a user's name, `key:ID of NAME`, or `-`.
    pub actor: String,
    /// When, RFC 3339 in UTC with milliseconds.
    pub at: Timestamp,
    /// Id of the request, which its log lines carry, too.
    pub correlation: String,
    /// More about it, for a person.
    pub detail: String,
    /// The address that the request came from.
    pub from: String,
    /// From 1, without gaps.
    pub number: i64,
    /// What it was done to.
    pub object: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// The action of an entry that records a drop of the oldest entries; its object is the head of what was dropped.
pub const DROP: &str = "audit.drop";

impl Entry {
    /// Whether it records that the entries up to this one were dropped.
    pub fn records_drop(&self, start: Head) -> bool {
        self.action == DROP && self.outcome == Outcome::Done && self.object == start.to_string()
    }

    /// The bytes that are hashed.
    pub fn canonical(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The hash of this entry after the one before it.
    pub fn hash(&self, previous: &Hash) -> Result<Hash, serde_json::Error> {
        Ok(hash(previous, &self.canonical()?))
    }
}

/// SHA-256 of the hash before (32 bytes) and the canonical text.
pub fn hash(previous: &Hash, canonical: &str) -> Hash {
    Hash(Sha256::new().chain_update(previous.0).chain_update(canonical).finalize().into())
}
