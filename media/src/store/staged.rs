//! A blob that comes in checked chunks: what staging writes.
//!
//! After a power cut the end of a partial file may be anything. So no mark says how much of it is good: on resume it is
//! read from the start and each chunk compared with its signed value, and it is kept up to the first that differs. That
//! costs reading the disk, not the media. Since a sync begins behind the writer every 16 MiB and a second waits for
//! the first, at most 32 MiB and a chunk of a blob are on their way to the disk at any moment; less than 8 MiB of whole
//! blobs wait for their common sync, and 16 MiB are read ahead and not written: so less than 64 MiB come from the media
//! again.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use landfall_bundle_spec::chunks::{BlobSums, CHUNK_BYTES, chunk_len};

use super::{ContentStore, lock_folder, record};
use crate::durable::Batch;
use crate::error::{MediaError, Result};
use crate::paced::{Cache, PacedFile};
use crate::payload::Payload;

/// A blob on its way into the store, chunk by chunk. Dropped without [`StagedBlob::finish`], its chunks stay for a later
/// [`ContentStore::stage`].
#[derive(Debug)]
pub struct StagedBlob {
    store: ContentStore,
    payload: Payload,
    blob: usize,
    file: PacedFile,
}

impl ContentStore {
    /// Begins or continues a blob of a bundle: the `blob`th entry of its list. `None` when it is here, whole. Waits for
    /// another thread or process that works on the same blob.
    pub fn stage(&self, payload: &Payload, blob: usize) -> Result<Option<StagedBlob>> {
        let Some((mut file, path)) = self.lock_partial(payload.blob(blob).sha256, payload.blob(blob).size)? else {
            return Ok(None);
        };
        let (good, all) = self.good_chunks(&mut file, &path, payload, blob)?;
        let file = PacedFile::new(file, path, all, Cache::Keep, self.counters.clone());
        let mut staged = StagedBlob { store: self.clone(), payload: payload.clone(), blob, file };
        staged.file.truncate(good)?;
        Ok(Some(staged))
    }

    /// Whether a part of the blob is here that [`ContentStore::stage`] would try to keep.
    pub(crate) fn has_partial(&self, payload: &Payload, blob: usize) -> bool {
        self.partial_folder().join(payload.blob(blob).sha256.to_hex()).is_file()
    }

    /// Bytes up to the end of the last chunk before the first that is not right, and all that were read.
    fn good_chunks(&self, file: &mut File, path: &Path, payload: &Payload, blob: usize) -> Result<(u64, u64)> {
        let size = payload.blob(blob).size;
        let mut buffer = Vec::new();
        let mut good = 0;
        while good < size {
            buffer.clear();
            let wanted = chunk_len(size, good / CHUNK_BYTES);
            let count = Read::by_ref(file)
                .take(wanted)
                .read_to_end(&mut buffer)
                .map_err(|error: io::Error| MediaError::io("read", path, error))?;
            self.counters.add_read(count);
            if !payload.chunk_matches(blob, good / CHUNK_BYTES, &buffer) {
                return Ok((good, good + count as u64));
            }
            good += wanted;
        }
        Ok((good, good))
    }
}

impl StagedBlob {
    /// Bytes that are there and checked: whole chunks from the beginning.
    pub fn length(&self) -> u64 {
        self.file.written()
    }

    /// Takes the next chunk, which must be right: [`crate::copy`] checks it before. Returns how many more bytes than
    /// before are on the disk.
    pub fn append(&mut self, chunk: &[u8]) -> Result<u64> {
        debug_assert!(self.payload.chunk_matches(self.blob, self.length() / CHUNK_BYTES, chunk));
        self.file.write(chunk)
    }

    /// Bytes that are not known to be on the disk.
    pub(crate) fn unsynced(&self) -> u64 {
        self.file.unsynced()
    }

    /// Waits for a sync that is under way, to learn whether it failed.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.file.await_pending().map(drop)
    }

    /// Ends blobs: on return they are in the store and on the disk, at the price of two syncs for all of them. They must
    /// be of the store that the batch is on, and begun after it. Returns how many more bytes than before are on the disk.
    pub fn finish_all(batch: &Batch, mut blobs: Vec<Self>) -> Result<u64> {
        let mut bytes = 0;
        for staged in &mut blobs {
            let sums = staged.whole_sums()?;
            bytes += staged.unsynced();
            staged.settle()?;
            let record_path = staged.store.record_path(sums.sha256);
            let folder = record_path.parent().unwrap_or(&record_path);
            batch.create_folder(folder)?;
            let _turn = lock_folder(folder)?;
            batch.write_file(&record_path, &record::encode(&sums), 0o644)?;
        }
        if blobs.is_empty() {
            return Ok(0);
        }
        batch.commit()?;
        for staged in blobs {
            batch.rename(staged.file.path(), &staged.store.path(staged.payload.blob(staged.blob).sha256))?;
        }
        batch.commit()?;
        Ok(bytes)
    }

    fn whole_sums(&self) -> Result<BlobSums> {
        let sums = self.payload.sums(self.blob);
        if self.length() == sums.size {
            return Ok(sums);
        }
        Err(MediaError::Bug(format!("{} ends at {} bytes", sums.sha256, self.length())))
    }
}
