//! The storage of one journal's bytes.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;

use rustix::fs::FallocateFlags;

/// Bytes by which a journal can grow on a full disk: far more than an uninstall writes.
const ROOM_BYTES: u64 = 1 << 20;

/// Bytes of one journal. Nothing is durable before [`Storage::sync`] returns, and everything is durable after it.
pub trait Storage {
    /// Reads all bytes.
    fn read_all(&mut self) -> io::Result<Vec<u8>>;

    /// Appends bytes; not durable.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes all bytes so far durable. An error is final: the caller must neither retry nor continue.
    fn sync(&mut self) -> io::Result<()>;

    /// Keeps only the first `length_bytes`; not durable.
    fn truncate(&mut self, length_bytes: u64) -> io::Result<()>;

    /// Releases the space reserved for further records, because none follow. A failure costs only that space.
    fn release_room(&mut self) {}
}

/// Returns true if blocks beyond the end of a file are reserved for further records.
pub(super) fn has_room(metadata: &std::fs::Metadata) -> bool {
    const BLOCK_BYTES: u64 = 512;
    metadata.blocks() * BLOCK_BYTES >= metadata.len() + ROOM_BYTES / 2
}

/// Releases the blocks beyond the end of a file by truncating it to its current length. Every filesystem that Landfall
/// supports frees them then.
pub(super) fn release(file: &fs_err::File) -> io::Result<()> {
    let metadata = file.metadata()?;
    if has_room(&metadata) {
        file.set_len(metadata.len())?;
    }
    Ok(())
}

/// Journal file on the host's disk, created or found by [`super::JournalFolder`].
#[derive(Debug)]
pub struct FileStorage {
    file: fs_err::File,
}

impl FileStorage {
    /// Wraps a file that is open for reading and writing, and reserves space for it, so that a site can be uninstalled
    /// from a full disk. The space belongs to the file: the software that filled the disk cannot take it.
    pub(super) fn new(file: fs_err::File) -> Self {
        let storage = Self { file };
        storage.keep_room();
        storage
    }

    /// Reserves space, durable with the next sync. A filesystem that does not support this, or is full, reserves
    /// nothing.
    fn keep_room(&self) {
        if let Err(error) = self.set_room_aside() {
            tracing::debug!(%error, "no space is reserved for the journal");
        }
    }

    /// Allocates blocks beyond the end, which does not move; does nothing if enough are left from an earlier time.
    fn set_room_aside(&self) -> io::Result<()> {
        let metadata = self.file.metadata()?;
        if has_room(&metadata) {
            return Ok(());
        }
        Ok(rustix::fs::fallocate(self.file.file(), FallocateFlags::KEEP_SIZE, metadata.len(), ROOM_BYTES)?)
    }
}

impl Storage for FileStorage {
    fn read_all(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::End(0))?;
        self.file.write_all(bytes)?;
        #[cfg(any(test, feature = "testing"))]
        landfall_media::durable::note_written(self.file.path());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        #[cfg(any(test, feature = "testing"))]
        landfall_media::durable::note_synced(self.file.path());
        Ok(())
    }

    fn truncate(&mut self, length_bytes: u64) -> io::Result<()> {
        self.file.set_len(length_bytes)?;
        #[cfg(any(test, feature = "testing"))]
        landfall_media::durable::note_written(self.file.path());
        self.keep_room();
        Ok(())
    }

    fn release_room(&mut self) {
        if let Err(error) = release(&self.file) {
            tracing::debug!(%error, "the space that was reserved for the journal is not returned");
        }
    }
}
