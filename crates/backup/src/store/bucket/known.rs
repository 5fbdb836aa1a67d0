//! Cached knowledge about a bucket. It contains small files that were read or written, which are named after their
//! digests and never change. It also contains listed sizes, which determine the time limit of a request.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustic_core::FileType;

/// Maximum bytes kept: the index of a large repository and its snapshots.
const CAPACITY: usize = 128 << 20;

const KINDS: [FileType; 3] = [FileType::Index, FileType::Key, FileType::Snapshot];

#[derive(Default)]
pub(super) struct KnownFiles {
    files: HashMap<PathBuf, Bytes>,
    bytes: usize,
    sizes: HashMap<String, u64>,
}

impl KnownFiles {
    pub(super) fn get(&self, file: &Path) -> Option<Bytes> {
        self.files.get(file).cloned()
    }

    pub(super) fn size(&self, object: &str) -> Option<u64> {
        self.sizes.get(object).copied()
    }

    pub(super) fn note_size(&mut self, object: &str, bytes: u64) {
        self.sizes.insert(object.to_owned(), bytes);
    }

    /// Keeps a file, unless it may change or there is no room.
    pub(super) fn keep(&mut self, file: &Path, bytes: &Bytes) {
        let is_fixed = KINDS.iter().any(|kind| file.starts_with(kind.dirname()));
        if is_fixed && self.bytes + bytes.len() <= CAPACITY {
            self.forget(file);
            self.bytes += bytes.len();
            self.files.insert(file.to_owned(), bytes.clone());
        }
    }

    pub(super) fn forget(&mut self, file: &Path) {
        if let Some(bytes) = self.files.remove(file) {
            self.bytes -= bytes.len();
        }
    }
}
