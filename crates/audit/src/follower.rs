//! The check that every chain must pass: in a database, in a file, or on its way to the host.

use crate::entry::{ENTRY_BYTES, Entry};
use crate::error::{AuditError, Result};
use crate::head::{Hash, Head};

/// Follows a chain entry by entry.
#[derive(Debug)]
pub struct Follower(Head);

impl Follower {
    /// Begins after an entry; [`Head::EMPTY`] is the beginning of a chain.
    pub const fn behind(head: Head) -> Self {
        Self(head)
    }

    /// The current entry.
    pub const fn head(&self) -> Head {
        self.0
    }

    /// Takes the next entry. Returns an error with its number if it is not the next one, or was altered.
    pub fn follow(&mut self, text: &str, hash: &str) -> Result<Entry> {
        let (entry, next) = self.read(text)?;
        if hash.parse::<Hash>() != Ok(next.hash) {
            return Err(broken_entry(next.number, "its hash does not match"));
        }
        self.0 = next;
        Ok(entry)
    }

    /// Takes the next entry by its text, from which its hash is computed.
    pub fn extend(&mut self, text: &str) -> Result<Entry> {
        let (entry, next) = self.read(text)?;
        self.0 = next;
        Ok(entry)
    }

    fn read(&self, text: &str) -> Result<(Entry, Head)> {
        let number = self.0.number + 1;
        if text.len() > ENTRY_BYTES {
            return Err(broken_entry(number, "its text is longer than that of any entry"));
        }
        let entry: Entry = serde_json::from_str(text).map_err(|_| broken_entry(number, "it is not an entry"))?;
        if entry.canonical().ok().as_deref() != Some(text) {
            return Err(broken_entry(number, "its text was edited"));
        }
        if entry.number != number {
            return Err(broken_entry(number, &format!("number {} is in its place", entry.number)));
        }
        Ok((entry, Head { number, hash: crate::entry::hash(&self.0.hash, text) }))
    }
}

fn broken_entry(number: i64, why: &str) -> AuditError {
    AuditError::broken(format!("entry {number} is not as it was written: {why}"))
}
