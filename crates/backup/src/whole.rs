//! Integrity of a repository's files: the name of a file is the SHA-256 of its bytes.

use rustic_core::{FileType, Id};

use crate::store::Store;
use crate::{digest, layout};

/// Returns true if this file exists with exactly its bytes.
pub(crate) fn is_whole(store: &dyn Store, kind: FileType, id: &Id) -> bool {
    store.digest(&layout::relative(kind, id), &mut |_| {}).is_ok_and(|found| found == *id)
}

/// Like [`is_whole`], for a small file that is read often, by its content in the page cache.
pub(crate) fn is_named_right(store: &dyn Store, kind: FileType, id: &Id) -> bool {
    store.read(&layout::relative(kind, id)).is_ok_and(|bytes| digest::of_bytes(&bytes) == *id)
}
