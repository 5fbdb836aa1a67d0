//! The console request that asked for an operation. Its ID is in each line of the operation's log, in the first of its
//! events, and on the console's page.
//!
//! The journal does not depend on the request: its record is the same whether a person at the host or a browser began
//! the change. This file lasts as long as the events, until the next boot.

use std::path::PathBuf;

use landfall_host::files;
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use landfall_peer::is_id;
use serde::{Deserialize, Serialize};

use super::Operations;

/// Environment variable in which the host API passes a request's ID to the process that begins a change.
pub const CORRELATION_VARIABLE: &str = "LANDFALL_CORRELATION";

/// An operation with the request that asked for it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CorrelationRecord {
    /// Number of the operation's journal.
    operation: u64,
    /// The request's ID.
    correlation: String,
}

fn path(paths: &SitePaths) -> PathBuf {
    paths.run().join("operation.asked")
}

/// Returns the ID of the request for which this process works; `None` if a person at the host began it. A malformed ID
/// is ignored, because IDs are written to lines of logs.
pub fn correlation_of_environment() -> Option<String> {
    std::env::var(CORRELATION_VARIABLE).ok().filter(|id| is_id(id))
}

impl Operations {
    /// Returns the ID of the request that asked for the latest operation. Returns `None` if a person at the host began
    /// it, or if the host has rebooted since.
    pub fn correlation_of_latest(&self) -> Option<String> {
        let file = self.journals().latest().ok().flatten()?;
        self.correlation_of(file.number)
    }

    /// Like [`Self::correlation_of_latest`], for the operation with this number.
    pub(super) fn correlation_of(&self, operation: u64) -> Option<String> {
        let bytes = files::read(&path(&self.paths)).ok().flatten()?;
        let asked: CorrelationRecord = serde_json::from_slice(&bytes).ok()?;
        (asked.operation == operation && is_id(&asked.correlation)).then_some(asked.correlation)
    }

    /// Records the request that asked for the operation of this number. A failure does not stop the operation.
    pub(super) fn note_asked(&self, operation: u64, correlation: Option<String>) {
        let path = path(&self.paths);
        let noted = match correlation {
            None => durable::remove_file(&path),
            Some(correlation) => durable::create_folder(&self.paths.run()).and_then(|()| {
                let text = serde_json::to_vec(&CorrelationRecord { operation, correlation }).unwrap_or_default();
                durable::write_file(&path, &text, 0o600)
            }),
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "which request asked for this operation is not noted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::operations;

    const ID: &str = "2b1d7c1e-4a3f-4d5c-8a53-0f0e0d0c0b0a";

    #[test]
    fn request_id_belongs_to_one_operation() {
        let (_root, operations) = operations();
        assert_eq!(operations.correlation_of(1), None);
        operations.note_asked(1, Some(ID.to_owned()));
        assert_eq!(operations.correlation_of(1).as_deref(), Some(ID));
        assert_eq!(operations.correlation_of(2), None, "it is of another operation");
        operations.note_asked(2, None);
        assert_eq!(operations.correlation_of(1), None, "a later operation was begun at the host");
    }

    #[test]
    fn malformed_request_id_is_dropped() {
        let (_root, operations) = operations();
        for odd in ["", "a\"b", "0123abcd\n", "../../etc/shadow"] {
            operations.note_asked(1, Some(odd.to_owned()));
            assert_eq!(operations.correlation_of(1), None, "{odd:?}");
        }
        durable::write_file(&path(&operations.paths), b"{", 0o600).unwrap();
        assert_eq!(operations.correlation_of(1), None, "a torn file says nothing");
    }
}
