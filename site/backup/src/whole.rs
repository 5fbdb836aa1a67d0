//! Integrity of a repository's files: the name of a file is the SHA-256 of its bytes.

use rustic_core::{FileType, Id};
use sha2::{Digest as _, Sha256};

use crate::folder::Folder;
use crate::store::Store;

/// Returns true if this file exists with exactly its bytes.
pub(crate) fn is_whole(store: &dyn Store, kind: FileType, id: &Id) -> bool {
    store.digest(&Folder::relative(kind, id), &mut |_| {}).is_ok_and(|found| found == *id)
}

/// Like [`is_whole`], for a small file that is read often, by its content in the page cache.
pub(crate) fn is_named_right(store: &dyn Store, kind: FileType, id: &Id) -> bool {
    store.read(&Folder::relative(kind, id)).is_ok_and(|bytes| digest_of_bytes(&bytes) == *id)
}

/// Returns the SHA-256 of bytes in memory, by which blobs are named.
pub(crate) fn digest_of_bytes(bytes: &[u8]) -> Id {
    Id::new(Sha256::digest(bytes).into())
}
