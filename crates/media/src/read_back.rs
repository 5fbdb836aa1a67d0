//! Reading a file back from the disk itself after it was written and synced. The page cache proves nothing about the
//! contents of a stick.

use std::fs::File;
use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::chunks::BlobHasher;
use rustix::fs::Advice;

use crate::disk::DiskFile;
use crate::error::{PathContext, Result};

/// Bytes per read.
const PIECE_BYTES: usize = 1 << 20;

/// Size and digest of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileDigest {
    /// Size in bytes.
    pub size_bytes: u64,
    /// SHA-256 of all the bytes.
    pub sha256: Sha256,
}

impl FileDigest {
    /// Size and digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { size_bytes: bytes.len() as u64, sha256: Sha256::of(bytes) }
    }
}

impl From<BlobHasher> for FileDigest {
    /// Size and digest of the hashed bytes.
    fn from(hasher: BlobHasher) -> Self {
        let sums = hasher.finish();
        Self { size_bytes: sums.size, sha256: sums.sha256 }
    }
}

/// Reads a regular file to its end, past the page cache where the filesystem allows it, and returns its size and
/// digest. Changes nothing.
pub fn read_back(path: &Path) -> Result<FileDigest> {
    let file = File::open(path).at("open", path)?;
    // Where the filesystem cannot bypass the page cache, the cached bytes of the synced file are dropped.
    let _advised = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
    let file = DiskFile::reading(file);
    let (mut hasher, mut piece, mut offset) = (BlobHasher::new(), vec![0; PIECE_BYTES], 0);
    loop {
        let count = file.read_at(offset, &mut piece).at("read", path)?;
        if count == 0 {
            return Ok(hasher.into());
        }
        hasher.update(&piece[..count]);
        offset += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable;

    #[test]
    fn read_back_digest_matches_written_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for length in [0, 1, 511, 512, PIECE_BYTES, PIECE_BYTES + 7, 3 * PIECE_BYTES] {
            let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            durable::write_file(&path, &bytes, 0o644).unwrap();
            assert_eq!(read_back(&path).unwrap(), FileDigest::of(&bytes), "{length}");
        }
        let none = folder.path().join("none");
        assert_eq!(read_back(&none).unwrap_err().to_string(), format!("cannot open {}", none.display()));
    }
}
