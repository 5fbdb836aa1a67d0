//! A blob that comes in pieces and is hashed as it comes; it enters the store only when its digest is right.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use landfall_bundle_spec::chunks::{BlobHasher, BlobSums};

use super::{BUFFER_BYTES, ContentStore, Expected};
use crate::durable;
use crate::error::{MediaError, Result};
use crate::paced::{Cache, PacedFile};

/// A blob on its way into the store. Dropped without [`Partial::finish`], its bytes stay for a later
/// [`ContentStore::partial`] where the digest is known, and for [`ContentStore::sweep`] where it is not.
#[derive(Debug)]
pub struct Partial {
    store: ContentStore,
    file: PacedFile,
    hasher: BlobHasher,
    expected: Option<Expected>,
}

impl Partial {
    pub(super) fn over(store: ContentStore, file: File, path: PathBuf, expected: Option<Expected>) -> Self {
        let file = PacedFile::new(file, path, 0, Cache::Keep, store.counters.clone());
        Self { store, file, hasher: BlobHasher::new(), expected }
    }

    /// Hashes what an earlier run left. What a power cut made of its end shows in the digest, at the latest.
    pub(super) fn resumed(store: ContentStore, mut file: File, path: PathBuf, expected: Expected) -> Result<Self> {
        let mut hasher = BlobHasher::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    store.counters.add_read(count);
                    hasher.update(&buffer[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(MediaError::io("read", &path, error)),
            }
        }
        let length = hasher.size();
        let file = PacedFile::new(file, path, length, Cache::Keep, store.counters.clone());
        let mut partial = Self { store, file, hasher, expected: Some(expected) };
        if length > expected.size {
            partial.restart()?;
        }
        Ok(partial)
    }

    /// Bytes that are there; the next that [`Partial::append`] takes follows them.
    pub fn length(&self) -> u64 {
        self.hasher.size()
    }

    /// Takes the next bytes; returns how many more than before are on the disk. More than the blob has are refused,
    /// and all of it is removed then.
    pub fn append(&mut self, bytes: &[u8]) -> Result<u64> {
        if let Some(expected) = self.expected
            && self.length() + bytes.len() as u64 > expected.size
        {
            durable::remove_file(self.file.path())?;
            let found = format!("more than its {} bytes", expected.size);
            return Err(MediaError::BlobMismatch { expected: expected.digest, found });
        }
        self.hasher.update(bytes);
        self.file.write(bytes)
    }

    /// Takes everything that a source has.
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

    /// Forgets all bytes: for a source that cannot continue where it stopped.
    pub fn restart(&mut self) -> Result<()> {
        self.hasher = BlobHasher::new();
        self.file.truncate(0)
    }

    /// Ends the blob: on return it is in the store and on the disk. Other bytes than expected are refused and removed;
    /// too few bytes are refused and kept, so that the rest can follow.
    pub fn finish(mut self) -> Result<BlobSums> {
        let sums = std::mem::take(&mut self.hasher).finish();
        if let Some(expected) = self.expected {
            if sums.size != expected.size {
                let found = format!("{} of its {} bytes", sums.size, expected.size);
                return Err(MediaError::BlobMismatch { expected: expected.digest, found });
            }
            if sums.sha256 != expected.digest {
                durable::remove_file(self.file.path())?;
                let found = sums.sha256.to_string();
                return Err(MediaError::BlobMismatch { expected: expected.digest, found });
            }
        }
        self.file.sync()?;
        self.store.publish(self.file.path(), &sums)?;
        Ok(sums)
    }

    /// Removes all of it.
    pub fn discard(self) -> Result<()> {
        durable::remove_file(self.file.path())?;
        Ok(())
    }
}
