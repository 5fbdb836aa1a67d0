//! Whether a file of the repository has the bytes that it was written with: its name is their SHA-256.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustic_core::{FileType, Id};
use sha2::{Digest as _, Sha256};

use crate::folder::{Folder, forget_cached};

const BUFFER_BYTES: usize = 1 << 20;

/// Whether this file exists with exactly its bytes.
pub(crate) fn is_whole(root: &Path, kind: FileType, id: &Id) -> bool {
    digest(&root.join(Folder::relative(kind, id)), &mut |_| {}).is_ok_and(|found| found == *id)
}

/// The same for a small file that is read often, as the page cache has it.
pub(crate) fn is_named_right(root: &Path, kind: FileType, id: &Id) -> bool {
    std::fs::read(root.join(Folder::relative(kind, id))).is_ok_and(|bytes| digest_of_bytes(&bytes) == *id)
}

/// The SHA-256 of a file as the disk has it: what the page cache holds of it is dropped first. `advance` gets the number
/// of bytes of each piece.
pub(crate) fn digest(path: &Path, advance: &mut dyn FnMut(u64)) -> io::Result<Id> {
    forget_cached(path);
    let mut file = File::open(path)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; BUFFER_BYTES]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Id::new(hasher.finalize().into())),
            Ok(length) => {
                hasher.update(&buffer[..length]);
                advance(length as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The SHA-256 of bytes in memory, by which blobs are named.
pub(crate) fn digest_of_bytes(bytes: &[u8]) -> Id {
    Id::new(Sha256::digest(bytes).into())
}
