//! Whether a file of the repository has the bytes that it was written with: its name is their SHA-256.

use rustic_core::{FileType, Id};
use sha2::{Digest as _, Sha256};

use crate::folder::Folder;
use crate::store::Store;

/// Whether this file exists with exactly its bytes.
pub(crate) fn is_whole(store: &dyn Store, kind: FileType, id: &Id) -> bool {
    store.digest(&Folder::relative(kind, id), &mut |_| {}).is_ok_and(|found| found == *id)
}

/// The same for a small file that is read often, as the page cache has it.
pub(crate) fn is_named_right(store: &dyn Store, kind: FileType, id: &Id) -> bool {
    store.read(&Folder::relative(kind, id)).is_ok_and(|bytes| digest_of_bytes(&bytes) == *id)
}

/// The SHA-256 of bytes in memory, by which blobs are named.
pub(crate) fn digest_of_bytes(bytes: &[u8]) -> Id {
    Id::new(Sha256::digest(bytes).into())
}
