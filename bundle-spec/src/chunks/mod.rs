//! Chunks of 1 MiB: a hasher that reads a blob once, and the check of a chunk against its chaining value.
//!
//! BLAKE3 is a tree over pieces of 1 KiB. A chunk of 1 MiB is a whole subtree of it. So the chaining values of a blob's
//! chunks merge into the plain BLAKE3 of the blob, and a chunk can be checked without the rest.

use blake3::Hasher;
use blake3::hazmat::{HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};
use sha2::{Digest, Sha256 as Sha256Hasher};

use crate::digest::{Blake3, Sha256};
pub use crate::limits::CHUNK_BYTES;

/// Chaining value of one chunk.
pub type ChunkValue = [u8; 32];

/// Number of chaining values in `chunks.b3` for a blob of this size: 0 up to 1 MiB, where the root suffices.
pub const fn chunk_values_of(size: u64) -> u64 {
    if size > CHUNK_BYTES { size.div_ceil(CHUNK_BYTES) } else { 0 }
}

/// Number of chunks in which a blob of this size is verified: at least one, even if it is empty.
pub const fn chunk_count(size: u64) -> u64 {
    if size == 0 { 1 } else { size.div_ceil(CHUNK_BYTES) }
}

/// Bytes of the chunk with this index in a blob of this size; 0 after the end.
pub const fn chunk_len(size: u64, index: u64) -> u64 {
    let rest = size.saturating_sub(index.saturating_mul(CHUNK_BYTES));
    if rest < CHUNK_BYTES { rest } else { CHUNK_BYTES }
}

/// Results of one pass over a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobSums {
    /// Digest of the blob, which is its name.
    pub sha256: Sha256,
    /// Plain BLAKE3 of the blob.
    pub blake3: Blake3,
    /// Size in bytes.
    pub size: u64,
    /// Chaining value of each chunk; empty up to 1 MiB.
    pub chunks: Vec<ChunkValue>,
}

/// A hasher that computes SHA-256, BLAKE3 and the chaining values of a blob's chunks in one pass.
#[derive(Debug, Clone, Default)]
pub struct BlobHasher {
    sha256: Sha256Hasher,
    tree: TreeHasher,
}

impl BlobHasher {
    /// Begins a blob.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, any number of them.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.tree.update(bytes);
    }

    /// Number of bytes taken so far.
    pub fn size(&self) -> u64 {
        self.tree.size
    }

    /// Ends the blob and returns its digests.
    pub fn finish(self) -> BlobSums {
        let sha256 = Sha256(self.sha256.finalize().into());
        let size = self.tree.size;
        let (blake3, chunks) = self.tree.finish();
        BlobSums { sha256, blake3, size, chunks }
    }
}

/// The BLAKE3 half of [`BlobHasher`].
#[derive(Debug, Clone, Default)]
struct TreeHasher {
    current: Hasher,
    size: u64,
    chunks: Vec<ChunkValue>,
}

impl TreeHasher {
    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let filled = self.current.count();
            if filled == CHUNK_BYTES {
                self.chunks.push(self.current.finalize_non_root());
                self.current = Hasher::new();
                self.current.set_input_offset(self.size);
                continue;
            }
            let room = usize::try_from(CHUNK_BYTES - filled).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at(room);
            self.current.update(now);
            self.size += now.len() as u64;
            bytes = later;
        }
    }

    fn finish(mut self) -> (Blake3, Vec<ChunkValue>) {
        if self.chunks.is_empty() {
            return (Blake3(*self.current.finalize().as_bytes()), self.chunks);
        }
        self.chunks.push(self.current.finalize_non_root());
        (merged_root(self.size, &self.chunks), self.chunks)
    }
}

/// Returns the BLAKE3 of a blob above 1 MiB, given the chaining values of its chunks, or `None` if their number is
/// wrong.
pub fn root_of_chunks(size: u64, chunks: &[ChunkValue]) -> Option<Blake3> {
    (size > CHUNK_BYTES && chunk_values_of(size) == chunks.len() as u64).then(|| merged_root(size, chunks))
}

fn merged_root(size: u64, chunks: &[ChunkValue]) -> Blake3 {
    let (left, right) = merged_halves(size, chunks);
    Blake3(*merge_subtrees_root(&left, &right, Mode::Hash).as_bytes())
}

fn merge_chunks(size: u64, chunks: &[ChunkValue]) -> ChunkValue {
    if let [only] = chunks {
        return *only;
    }
    let (left, right) = merged_halves(size, chunks);
    merge_subtrees_non_root(&left, &right, Mode::Hash)
}

/// Returns the chaining values of both halves of a subtree above 1 MiB. The size of the left half is a power of two of
/// at least 1 MiB, so it ends at the end of a chunk.
fn merged_halves(size: u64, chunks: &[ChunkValue]) -> (ChunkValue, ChunkValue) {
    let left_size = left_subtree_len(size);
    let middle = usize::try_from(left_size / CHUNK_BYTES).unwrap_or(usize::MAX).min(chunks.len());
    let (left, right) = chunks.split_at(middle);
    (merge_chunks(left_size, left), merge_chunks(size - left_size, right))
}

/// Returns the chaining value of the chunk that begins at `index` MiB of a blob above 1 MiB. `bytes` must not be empty.
pub fn chunk_value(index: u64, bytes: &[u8]) -> ChunkValue {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(index * CHUNK_BYTES);
    hasher.update(bytes);
    hasher.finalize_non_root()
}

/// Returns true if `bytes` are the chunk with this index of a blob of this size and root. [`root_of_chunks`] must have
/// checked the chaining values against the root.
pub fn chunk_matches(size: u64, root: Blake3, chunks: &[ChunkValue], index: u64, bytes: &[u8]) -> bool {
    if bytes.len() as u64 != chunk_len(size, index) || index >= chunk_count(size) {
        return false;
    }
    if size <= CHUNK_BYTES {
        return blake3::hash(bytes).as_bytes() == &root.0;
    }
    usize::try_from(index)
        .ok()
        .and_then(|index| chunks.get(index))
        .is_some_and(|value| *value == chunk_value(index, bytes))
}

#[cfg(test)]
mod tests;
