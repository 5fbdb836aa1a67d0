//! A blob that arrives in checked chunks and that staging writes.
//!
//! After a power cut, the end of an unfinished file may be anything: missing, zeros, or old bytes. After a failed sync,
//! the kernel even shows the correct bytes although the disk does not have them. The file's length shows where the
//! uncertain part begins. The writer syncs every 16 MiB before it continues, so bytes further before the end were on
//! the disk before the last bytes were written. On resume, only the bytes after that point are read, past the page
//! cache. Each chunk is compared with its signed value, and the file is kept up to the first chunk that differs.
//!
//! So for a blob of any size, at most 18 MiB are read again from the disk, and at most 16 MiB from the media. Small
//! blobs that waited for their common sync, at most 64 MiB, are read again if a power cut lost them.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use landfall_bundle_spec::chunks::{BlobSums, CHUNK_BYTES};

use super::ContentStore;
use crate::disk::{DiskFile, PacedFile, SYNC_BYTES, kept_bytes, write_back};
use crate::error::{MediaError, PathContext, Result};
use crate::payload::Payload;

/// A blob on its way into the store, chunk by chunk. If it is dropped before its end, its chunks stay for a later
/// [`ContentStore::stage`].
#[derive(Debug)]
pub struct StagedBlob {
    store: ContentStore,
    payload: Payload,
    blob: usize,
    file: PacedFile,
}

/// A blob that is whole, but neither on the disk nor in the store.
#[derive(Debug)]
pub(crate) struct WholeBlob {
    /// Path of its bytes.
    pub(crate) path: PathBuf,
    /// Index in [`Payload::blobs`].
    pub(crate) blob: usize,
    /// Number of bytes that are not known to be on the disk.
    pub(crate) unsynced: u64,
}

impl ContentStore {
    /// Begins or continues the `blob`th entry of the bundle's list of blobs. Returns `None` if the store has the whole
    /// blob. The caller must have waited for its turn in the store. On return, bytes kept from an earlier run are on
    /// the disk.
    pub fn stage(&self, payload: &Payload, blob: usize) -> Result<Option<StagedBlob>> {
        let entry = payload.blob(blob);
        let is_here = || self.holds(payload, blob);
        let Some((file, path)) = self.lock_partial(self.staged_path(payload, blob), &is_here, entry.size)? else {
            return Ok(None);
        };
        // Bytes that a killed process wrote may be in memory only. If later bytes were synced first, a power cut could
        // lose earlier bytes than the next resume checks.
        if file.metadata().at("look at", &path)?.len() > 0 {
            write_back(&file, &path)?;
        }
        let file = DiskFile::writing(file);
        let mut is_right = |chunk, bytes: &[u8]| {
            self.counters.add_read(bytes.len());
            payload.chunk_matches(blob, chunk, bytes)
        };
        let kept =
            kept_bytes(&file, entry.size, &mut is_right).map_err(|error| MediaError::io("read", &path, error))?;
        let mut file = PacedFile::new(file, path, kept, self.counters.clone());
        file.truncate(kept)?;
        if entry.size > CHUNK_BYTES {
            file.reserve(entry.size)?;
        }
        Ok(Some(StagedBlob { store: self.clone(), payload: payload.clone(), blob, file }))
    }

    /// Returns true if the store has an unfinished file of the blob, which [`ContentStore::stage`] would try to keep.
    pub(crate) fn has_staged(&self, payload: &Payload, blob: usize) -> bool {
        self.staged_path(payload, blob).is_file()
    }

    /// Bytes of the disk that an unfinished blob occupies, including reserved ones.
    pub(crate) fn staged_blocks(&self, payload: &Payload, blob: usize) -> u64 {
        std::fs::metadata(self.staged_path(payload, blob)).map_or(0, |file| file.blocks() * 512)
    }

    /// Path of the unfinished blob. It differs from the path of a download, whose bytes are unchecked until it is
    /// whole.
    pub(crate) fn staged_path(&self, payload: &Payload, blob: usize) -> PathBuf {
        self.partial_folder().join(format!("{}.staged", payload.blob(blob).sha256.to_hex()))
    }
}

impl StagedBlob {
    /// Number of bytes that are present and checked: whole chunks from the beginning.
    pub fn length(&self) -> u64 {
        self.file.written_bytes()
    }

    /// Returns true if the blob is large enough for syncs of its own; smaller blobs become durable together.
    pub(crate) fn is_large(&self) -> bool {
        self.payload.blob(self.blob).size >= SYNC_BYTES
    }

    /// Takes the next chunk, which must be correct: [`crate::copy`] checks it first. Returns how many more bytes than
    /// before are on the disk.
    pub fn append(&mut self, chunk: &[u8]) -> Result<u64> {
        debug_assert!(self.payload.chunk_matches(self.blob, self.length() / CHUNK_BYTES, chunk));
        self.file.write(chunk)
    }

    /// Waits until all accepted bytes are written, and returns an error if that failed.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.file.flush()
    }

    /// Ends the blob. On return, it is in the store and on the disk. Returns how many more bytes than before are on the
    /// disk.
    pub fn finish(mut self) -> Result<u64> {
        let sums = self.whole_sums()?;
        let synced = self.file.sync()?;
        self.store.publish(self.file.path(), &sums)?;
        Ok(synced)
    }

    /// Ends the blob without a sync. It becomes durable together with other blobs.
    pub(crate) fn into_whole(mut self) -> Result<WholeBlob> {
        self.whole_sums()?;
        self.file.flush()?;
        Ok(WholeBlob { path: self.file.path().to_owned(), blob: self.blob, unsynced: self.file.unsynced_bytes() })
    }

    fn whole_sums(&self) -> Result<BlobSums> {
        let sums = self.payload.sums(self.blob);
        if self.length() == sums.size {
            return Ok(sums);
        }
        Err(MediaError::Bug(format!("{} ends at {} bytes", sums.sha256, self.length())))
    }
}
