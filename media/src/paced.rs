//! A file that is written in order with little dirty memory: it is synced behind the writer, every few MiB.
//!
//! The kernel would otherwise take gigabytes at memory speed and lose them all in a power cut, or keep a person waiting
//! at "100 %". One sync runs in the background while the next bytes are written; a second waits for the first. So at
//! most [`UNSYNCED_BYTES`] are written and not yet on the disk.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use landfall_bundle_spec::chunks::CHUNK_BYTES;

use crate::counters::Counters;
use crate::durable::{DurableError, SyncFailed};
use crate::error::Result;

/// Bytes after which a sync begins behind the writer.
pub(crate) const SYNC_BYTES: u64 = 8 * 1024 * 1024;

/// More bytes than this are never written and not on the disk, if no write is larger than a chunk: those of the sync that
/// runs, and those of the next.
pub(crate) const UNSYNCED_BYTES: u64 = 2 * SYNC_BYTES + CHUNK_BYTES;

/// Whether what is on the disk stays in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cache {
    /// It will be read soon.
    Keep,
    /// It must be read back from the disk, or not at all.
    Drop,
}

/// An open file that knows how much of it is on the disk.
#[derive(Debug)]
pub(crate) struct PacedFile {
    file: File,
    path: PathBuf,
    counters: Counters,
    cache: Cache,
    written: u64,
    handed: u64,
    synced: u64,
    pending: Option<JoinHandle<io::Result<()>>>,
}

impl PacedFile {
    /// Continues a file whose first `length` bytes are there and whose position is at their end.
    pub(crate) fn new(file: File, path: PathBuf, length: u64, cache: Cache, counters: Counters) -> Self {
        Self { file, path, counters, cache, written: length, handed: length, synced: length, pending: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Bytes written, on the disk or not.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Writes all the bytes; returns how many more are on the disk than before, here or earlier.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<u64> {
        self.file.write_all(bytes).map_err(|error| DurableError::io("write", &self.path, error))?;
        self.counters.add_written(bytes.len());
        self.written += bytes.len() as u64;
        if self.written - self.handed < SYNC_BYTES {
            return Ok(0);
        }
        let newly = self.await_pending()?;
        let file = self.file.try_clone().map_err(|error| DurableError::io("open", &self.path, error))?;
        self.pending = Some(std::thread::spawn(move || file.sync_data()));
        self.handed = self.written;
        Ok(newly)
    }

    /// Bytes that are not known to be on the disk.
    pub(crate) fn unsynced(&self) -> u64 {
        self.written - self.synced
    }

    /// Puts everything on the disk, size included; returns how many more bytes are there than before.
    pub(crate) fn sync(&mut self) -> Result<u64> {
        let earlier = self.await_pending()?;
        crate::durable::sync_file(&self.file, &self.path)?;
        self.handed = self.written;
        Ok(earlier + self.note_synced())
    }

    /// Waits for a sync that is under way; returns how many more bytes than before are on the disk.
    pub(crate) fn await_pending(&mut self) -> Result<u64> {
        let Some(pending) = self.pending.take() else { return Ok(0) };
        pending
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that syncs panicked")))
            .map_err(|source| SyncFailed { path: self.path.clone(), source })?;
        Ok(self.note_synced())
    }

    /// Everything handed to a sync that succeeded is on the disk.
    fn note_synced(&mut self) -> u64 {
        let newly = self.handed - self.synced;
        if let Some(length) = NonZeroU64::new(newly)
            && self.cache == Cache::Drop
        {
            drop_cache(&self.file, self.synced, Some(length));
        }
        self.synced = self.handed;
        newly
    }

    /// Back to `length` bytes, which must be whole and on the disk or about to be checked again.
    pub(crate) fn truncate(&mut self, length: u64) -> Result<()> {
        self.await_pending()?;
        let path = &self.path;
        self.file.set_len(length).map_err(|error| DurableError::io("truncate", path, error))?;
        self.file.seek(io::SeekFrom::Start(length)).map_err(|error| DurableError::io("seek in", path, error))?;
        (self.written, self.handed, self.synced) = (length, length, length);
        Ok(())
    }
}

impl Drop for PacedFile {
    fn drop(&mut self) {
        // A sync must not outlive its file: whoever removes the file next would race with it.
        if let Some(pending) = self.pending.take() {
            let _ = pending.join();
        }
    }
}

/// Asks the kernel to forget its copy of a range that is on the disk, or of all from the offset on; advice only, so
/// nothing can fail.
pub(crate) fn drop_cache(file: &File, offset: u64, length: Option<NonZeroU64>) {
    let _ = rustix::fs::fadvise(file, offset, length, rustix::fs::Advice::DontNeed);
}
