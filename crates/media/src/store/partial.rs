//! A blob that arrives in pieces and is hashed on the way. It enters the store only if its digest is correct.
//!
//! A piece cannot be checked before the whole blob has arrived. So a later run trusts only synced bytes: those far
//! enough before the end, and those that a download marked when it stopped in an orderly way. The rest is fetched
//! again, because a power cut may have changed it, and one wrong byte would spoil the whole blob.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use landfall_bundle_spec::chunks::{BlobHasher, BlobSums};
use rustix::fs::XattrFlags;

use super::{BUFFER_BYTES, ContentStore, ExpectedBlob};
use crate::disk::{AlignedBuffer, DiskFile, DurableFile, PacedFile, synced_bytes, write_back};
use crate::durable;
use crate::error::{MediaError, PathContext, Result};

/// Extended attribute with the number of bytes of an unfinished download that are on the disk. The file only grows, so
/// the value stays true. Without it, the last bytes are fetched again.
const SYNCED_MARK: &str = "user.landfall.synced";

/// A blob on its way into the store. If it is dropped without [`PartialBlob::finish`], its bytes stay: for a later
/// [`ContentStore::partial`] if the digest is known, otherwise for [`ContentStore::sweep`].
#[derive(Debug)]
pub struct PartialBlob {
    store: ContentStore,
    file: PacedFile,
    hasher: BlobHasher,
    expected: Option<ExpectedBlob>,
    /// True if nothing remains to continue: the blob is in the store, or removed.
    is_over: bool,
}

impl PartialBlob {
    pub(super) fn over(store: ContentStore, file: File, path: PathBuf, expected: Option<ExpectedBlob>) -> Self {
        let file = PacedFile::new(DiskFile::writing(file), path, 0, store.counters.clone());
        Self { store, file, hasher: BlobHasher::new(), expected, is_over: false }
    }

    /// Hashes, from the disk, the bytes that an earlier run left and synced. Truncates the rest.
    pub(super) fn resume(store: ContentStore, file: File, path: PathBuf, expected: ExpectedBlob) -> Result<Self> {
        let length = file.metadata().at("look at", &path)?.len();
        let marked = synced_mark(&path).min(length);
        let kept = if length > expected.size { 0 } else { marked.max(synced_bytes(length)) };
        if length > 0 {
            write_back(&file, &path)?;
        }
        let disk = DiskFile::writing(file);
        let hasher = hash(&disk, kept).at("read", &path)?;
        store.counters.add_read(usize::try_from(hasher.size()).unwrap_or(usize::MAX));
        let file = PacedFile::new(disk, path, kept, store.counters.clone());
        let mut partial = Self { store, file, hasher, expected: Some(expected), is_over: false };
        if partial.length() < kept {
            // The file has become shorter since its length was read.
            partial.restart()?;
        }
        partial.truncate(partial.length())?;
        partial.reserve()?;
        Ok(partial)
    }

    /// Reserves space on the disk for the whole blob, if its size is known.
    pub(super) fn reserve(&self) -> Result<()> {
        self.expected.map_or(Ok(()), |expected| self.file.reserve(expected.size))
    }

    /// Number of bytes present. The bytes that [`PartialBlob::append`] takes next follow them.
    pub fn length(&self) -> u64 {
        self.hasher.size()
    }

    /// Takes the next bytes. Returns how many more bytes than before are on the disk. If the bytes exceed the blob's
    /// size, returns an error and removes the file.
    pub fn append(&mut self, bytes: &[u8]) -> Result<u64> {
        if let Some(expected) = self.expected
            && self.length() + bytes.len() as u64 > expected.size
        {
            self.remove()?;
            let found = format!("more than its {} bytes", expected.size);
            return Err(MediaError::BlobMismatch { expected: expected.digest, found });
        }
        self.hasher.update(bytes);
        self.file.write(bytes)
    }

    /// Takes all bytes of a source.
    pub fn append_all(&mut self, reader: &mut dyn Read) -> Result<()> {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => self.append(&buffer[..count]).map(drop)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    let what = self.expected.map_or_else(|| "of unknown digest".to_owned(), |it| it.digest.to_string());
                    return Err(MediaError::Source { what, source });
                }
            }
        }
    }

    /// Drops all bytes, for a source that cannot continue where it stopped.
    pub fn restart(&mut self) -> Result<()> {
        self.hasher = BlobHasher::new();
        self.truncate(0)
    }

    /// Truncates the file. Removes the mark first, because it must never claim more bytes than exist.
    fn truncate(&mut self, length: u64) -> Result<()> {
        if synced_mark(self.file.path()) > length {
            let path = self.file.path();
            rustix::fs::removexattr(path, SYNCED_MARK).map_err(io::Error::from).at("unmark", path)?;
            durable::sync_file(self.file.file().file(), path)?;
        }
        self.file.truncate(length)
    }

    /// Ends the blob. On return, it is in the store and on the disk. If the bytes are wrong, returns an error and
    /// removes them; if there are too few, returns an error and keeps them, so that the rest can follow.
    pub fn finish(mut self) -> Result<BlobSums> {
        let sums = std::mem::take(&mut self.hasher).finish();
        if let Some(expected) = self.expected {
            if sums.size != expected.size {
                let found = format!("{} of its {} bytes", sums.size, expected.size);
                return Err(MediaError::BlobMismatch { expected: expected.digest, found });
            }
            if sums.sha256 != expected.digest {
                self.remove()?;
                let found = sums.sha256.to_string();
                return Err(MediaError::BlobMismatch { expected: expected.digest, found });
            }
        }
        self.file.sync()?;
        self.is_over = true;
        unmark(self.file.path());
        self.store.publish(self.file.path(), &sums)?;
        Ok(sums)
    }

    /// Removes the unfinished blob.
    pub fn discard(mut self) -> Result<()> {
        self.remove()
    }

    fn remove(&mut self) -> Result<()> {
        self.is_over = true;
        Ok(durable::remove_file(self.file.path())?)
    }
}

impl Drop for PartialBlob {
    fn drop(&mut self) {
        // Best effort: without the mark, the last bytes are fetched again. A failed sync leaves no mark.
        if !self.is_over && self.expected.is_some() && self.file.sync().is_ok() {
            let length = self.file.written_bytes().to_string();
            let marked = rustix::fs::setxattr(self.file.path(), SYNCED_MARK, length.as_bytes(), XattrFlags::empty());
            if marked.is_ok() {
                let _ = self.file.file().file().sync_all();
            }
        }
    }
}

/// Returns the number of bytes that are on the disk according to the mark; 0 without a mark.
fn synced_mark(path: &Path) -> u64 {
    let mut value = [0; 20];
    let length = rustix::fs::getxattr(path, SYNCED_MARK, &mut value).unwrap_or(0);
    std::str::from_utf8(&value[..length]).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Removes the mark from a blob of the store. Best effort: a remaining mark does no harm.
fn unmark(path: &Path) {
    let _ = rustix::fs::removexattr(path, SYNCED_MARK);
}

/// Hashes the first bytes of a file.
fn hash(file: &DiskFile, length: u64) -> io::Result<BlobHasher> {
    let mut hasher = BlobHasher::new();
    let mut buffer = AlignedBuffer::default();
    while hasher.size() < length {
        let wanted = usize::try_from(length - hasher.size()).unwrap_or(usize::MAX).min(BUFFER_BYTES);
        buffer.resize(wanted);
        let count = match file.read_from_disk(hasher.size(), &mut buffer)? {
            Some(count) => count,
            None => file.read_at(hasher.size(), &mut buffer)?,
        };
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    Ok(hasher)
}
