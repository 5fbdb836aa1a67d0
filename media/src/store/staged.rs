//! A blob that comes in checked chunks: what staging writes.
//!
//! After a power cut the end of an unfinished file may be anything: missing, zeros, old bytes. No mark says where that
//! begins, since the file's length does: a sync runs behind the writer every 8 MiB and a second waits for the first, so
//! what lies further before the end than [`UNSYNCED_BYTES`] was on the disk before the last bytes were written. On resume
//! only what follows is read, each chunk is compared with its signed value, and the file is kept up to the first that
//! differs. The first chunk that is read is one that must be right; if it is not, the disk did not keep its word, and all
//! of the file is checked.
//!
//! So of a blob of any size at most 18 MiB are read again from the disk, and at most 17 MiB of it, 8 MiB of whole blobs
//! that waited for their common sync, and 16 MiB that were read ahead come from the media again: less than 64 MiB together.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use landfall_bundle_spec::chunks::{BlobSums, CHUNK_BYTES, chunk_len};

use super::{ContentStore, lock_folder, record};
use crate::durable::Batch;
use crate::error::{At, MediaError, Result};
use crate::paced::{Cache, PacedFile, UNSYNCED_BYTES};
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
    /// another thread or process that stages the same blob. What is kept of an earlier run is on the disk on return.
    pub fn stage(&self, payload: &Payload, blob: usize) -> Result<Option<StagedBlob>> {
        let entry = payload.blob(blob);
        let Some((mut file, path)) = self.lock_partial(self.staged_path(payload, blob), entry.sha256, entry.size)?
        else {
            return Ok(None);
        };
        let good = self.good_bytes(&mut file, &path, payload, blob)?;
        let file = PacedFile::new(file, path, good, Cache::Keep, self.counters.clone());
        let mut staged = StagedBlob { store: self.clone(), payload: payload.clone(), blob, file };
        staged.file.truncate(good)?;
        if good > 0 && entry.size > UNSYNCED_BYTES {
            // What a killed process wrote may be in memory only: with more after it, a cut could lose what lies further
            // before the end than the next resume looks.
            staged.file.sync()?;
        }
        Ok(Some(staged))
    }

    /// Whether a part of the blob is here that [`ContentStore::stage`] would try to keep.
    pub(crate) fn has_staged(&self, payload: &Payload, blob: usize) -> bool {
        self.staged_path(payload, blob).is_file()
    }

    /// Not the name of a download, whose bytes nothing has checked before it is whole.
    fn staged_path(&self, payload: &Payload, blob: usize) -> PathBuf {
        self.partial_folder().join(format!("{}.staged", payload.blob(blob).sha256.to_hex()))
    }

    /// Bytes of an unfinished file that are right: whole chunks from the beginning.
    fn good_bytes(&self, file: &mut File, path: &Path, payload: &Payload, blob: usize) -> Result<u64> {
        let length = file.metadata().at("look at", path)?.len().min(payload.blob(blob).size);
        let doubtful = first_doubtful(length);
        let good = self.good_bytes_from(doubtful, file, path, payload, blob)?;
        if good > doubtful || doubtful == 0 { Ok(good) } else { self.good_bytes_from(0, file, path, payload, blob) }
    }

    /// The same, if those before the chunk at `begin` are.
    fn good_bytes_from(&self, begin: u64, file: &mut File, path: &Path, payload: &Payload, blob: usize) -> Result<u64> {
        let size = payload.blob(blob).size;
        let failed = |what| move |error: io::Error| MediaError::io(what, path, error);
        file.seek(SeekFrom::Start(begin)).map_err(failed("seek in"))?;
        let mut buffer = Vec::new();
        let mut good = begin;
        while good < size {
            buffer.clear();
            let wanted = chunk_len(size, good / CHUNK_BYTES);
            let count = Read::by_ref(file).take(wanted).read_to_end(&mut buffer).map_err(failed("read"))?;
            self.counters.add_read(count);
            if !payload.chunk_matches(blob, good / CHUNK_BYTES, &buffer) {
                break;
            }
            good += wanted;
        }
        Ok(good)
    }
}

/// Where the last chunk begins that must be right in an unfinished file of this length; 0 if none must.
fn first_doubtful(length: u64) -> u64 {
    length.saturating_sub(UNSYNCED_BYTES + CHUNK_BYTES) / CHUNK_BYTES * CHUNK_BYTES
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
