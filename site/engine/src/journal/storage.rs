//! The storage of one journal's bytes.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;

use rustix::fs::FallocateFlags;

/// How much a journal can grow on a disk that has become full: far more than an uninstall writes.
const ROOM_BYTES: u64 = 1 << 20;

/// One journal's bytes. Nothing is durable before [`Storage::sync`] returned, and then all of it is.
pub trait Storage {
    /// Everything there is.
    fn read_all(&mut self) -> io::Result<Vec<u8>>;

    /// Adds to the end; not durable.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything so far durable. An error is final: the caller must neither retry nor continue.
    fn sync(&mut self) -> io::Result<()>;

    /// Keeps only the first `length_bytes`; not durable.
    fn truncate(&mut self, length_bytes: u64) -> io::Result<()>;

    /// Returns space that was reserved for records to come, since none follow. A failure costs only that space.
    fn release_room(&mut self) {}
}

/// Whether blocks beyond the end of a file are reserved for records to come.
pub(super) fn has_room(metadata: &std::fs::Metadata) -> bool {
    const BLOCK_BYTES: u64 = 512;
    metadata.blocks() * BLOCK_BYTES >= metadata.len() + ROOM_BYTES / 2
}

/// Returns the blocks beyond the end of a file, which does not move: a truncation to the length that it has. Every filesystem that
/// Landfall runs on frees them then.
pub(super) fn release(file: &fs_err::File) -> io::Result<()> {
    let metadata = file.metadata()?;
    if has_room(&metadata) {
        file.set_len(metadata.len())?;
    }
    Ok(())
}

/// A file on the host's disk, which [`super::JournalFolder`] made or found.
#[derive(Debug)]
pub struct FileStorage {
    file: fs_err::File,
}

impl FileStorage {
    /// Takes a file that is open for reading and writing, and reserves space for it, so that a site can be uninstalled
    /// from a full disk. The space belongs to the file: the software that filled the disk cannot take it.
    pub(super) fn new(file: fs_err::File) -> Self {
        let storage = Self { file };
        storage.keep_room();
        storage
    }

    /// Durable with the next sync. A filesystem that does not support this, or is already full, reserves nothing.
    fn keep_room(&self) {
        if let Err(error) = self.set_room_aside() {
            tracing::debug!(%error, "no space is reserved for the journal");
        }
    }

    /// Blocks beyond the end, which does not move; nothing if enough of them are left from an earlier time.
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
