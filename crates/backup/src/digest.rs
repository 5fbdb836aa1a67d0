//! SHA-256 of bytes in memory, by which files and blobs are named.

use rustic_core::Id;
use sha2::{Digest as _, Sha256};

/// Returns the SHA-256 of these bytes.
pub(crate) fn of_bytes(bytes: &[u8]) -> Id {
    Id::new(Sha256::digest(bytes).into())
}
