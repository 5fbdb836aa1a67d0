//! Byte counters at the places where bytes are read and written, so that "each byte once" is a measured number, not a
//! claim.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes moved on one file tree in one role. Clones share the counts; the calls that move the bytes do the counting.
#[derive(Debug, Clone, Default)]
pub struct Counters(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    read: AtomicU64,
    written: AtomicU64,
    read_back: AtomicU64,
    filesystem_syncs: AtomicU64,
}

/// Values of [`Counters`] at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Bytes read, without reading back.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Bytes read again only to check the written ones.
    pub read_back_bytes: u64,
    /// Number of syncs of the whole filesystem, which include other programs' bytes.
    pub filesystem_syncs: u64,
}

impl Counters {
    /// New counters, all zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// The current values.
    pub fn totals(&self) -> Totals {
        Totals {
            read_bytes: self.0.read.load(Ordering::Relaxed),
            written_bytes: self.0.written.load(Ordering::Relaxed),
            read_back_bytes: self.0.read_back.load(Ordering::Relaxed),
            filesystem_syncs: self.0.filesystem_syncs.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn add_read(&self, bytes: usize) {
        self.0.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_written(&self, bytes: usize) {
        self.0.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_read_back(&self, bytes: usize) {
        self.0.read_back.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_filesystem_sync(&self) {
        self.0.filesystem_syncs.fetch_add(1, Ordering::Relaxed);
    }
}

/// A reader that counts its bytes.
#[derive(Debug)]
pub struct CountingReader<R> {
    inner: R,
    counters: Counters,
}

impl<R> CountingReader<R> {
    /// Wraps `inner` and counts the bytes read from it.
    pub fn new(inner: R, counters: Counters) -> Self {
        Self { inner, counters }
    }
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.counters.add_read(count);
        Ok(count)
    }
}

/// Counters of the two ends of an operation: the content store, and the media (a stick, or the folder in which a bundle
/// is built).
#[derive(Debug, Clone, Default)]
pub struct IoCounters {
    /// Bytes of the content store, the vendor's or the site's.
    pub store: Counters,
    /// Bytes of the media that holds the bundle.
    pub media: Counters,
}
