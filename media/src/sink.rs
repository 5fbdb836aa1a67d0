//! Where blobs go: a content store, or a new bundle.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::chunks::CHUNK_BYTES;

use crate::error::{MediaError, Result};
use crate::payload::Payload;
use crate::store::{ContentStore, StagedBlob};

/// The other end of copying: takes checked chunks and makes them durable.
pub trait BlobSink {
    /// All the bytes that will be on the disk in the end, those that are there already included.
    fn total_bytes(&self) -> u64;

    /// From which byte on the blob with this index is lacking; `None` when it is there, whole. Called once for each
    /// blob, in order, before the first chunk.
    fn wants(&mut self, blob: usize) -> Result<Option<u64>>;

    /// Takes the next chunk of a blob; its last chunk ends it. Returns how many more bytes than before are on the disk,
    /// of this blob or earlier ones.
    fn take(&mut self, blob: usize, chunk: &[u8]) -> Result<u64>;

    /// Called when the copy stopped for any reason but a disk that failed to sync: makes durable what was taken whole.
    fn keep(&mut self) -> Result<()> {
        Ok(())
    }

    /// Ends the copy: on return everything is on the disk. Returns how many more bytes than before are there.
    fn finish(&mut self) -> Result<u64>;
}

/// Small blobs that wait for a common sync: how many, and bytes of them.
const WAITING_BLOBS: usize = 64;
const WAITING_BYTES: u64 = 4 * 1024 * 1024;

/// A content store that gets the blobs of a bundle. Each is there, whole and durable, as soon as its last chunk was
/// taken, small ones a few MiB later; what a crash cuts off is continued.
#[derive(Debug)]
pub struct StoreSink {
    store: ContentStore,
    payload: Payload,
    /// Continued blobs, by index, until their turn comes.
    begun: HashMap<usize, StagedBlob>,
    seen: HashSet<Sha256>,
    /// Small blobs that are whole and not on the disk.
    waiting: Vec<StagedBlob>,
}

impl StoreSink {
    /// This store, for blobs of these payload.
    pub fn new(store: ContentStore, payload: Payload) -> Self {
        Self { store, payload, begun: HashMap::new(), seen: HashSet::new(), waiting: Vec::new() }
    }

    fn begun(&mut self, blob: usize) -> Result<&mut StagedBlob> {
        match self.begun.entry(blob) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let staged = self.store.stage(&self.payload, blob)?;
                let digest = self.payload.blob(blob).sha256;
                Ok(entry.insert(staged.ok_or_else(|| MediaError::Bug(format!("{digest} came from elsewhere")))?))
            }
        }
    }
}

impl BlobSink for StoreSink {
    fn total_bytes(&self) -> u64 {
        self.payload.blob_bytes()
    }

    fn wants(&mut self, blob: usize) -> Result<Option<u64>> {
        let digest = self.payload.blob(blob).sha256;
        // A blob may stand twice: under a name of its own and among the others.
        if !self.seen.insert(digest) || self.store.contains(digest) {
            return Ok(None);
        }
        if !self.store.has_partial(&self.payload, blob) {
            return Ok(Some(0));
        }
        let Some(staged) = self.store.stage(&self.payload, blob)? else { return Ok(None) };
        let length = staged.length();
        if length == self.payload.blob(blob).size && length > 0 {
            staged.finish()?;
            return Ok(None);
        }
        self.begun.insert(blob, staged);
        Ok(Some(length))
    }

    fn take(&mut self, blob: usize, chunk: &[u8]) -> Result<u64> {
        let size = self.payload.blob(blob).size;
        let staged = self.begun(blob)?;
        let synced = staged.append(chunk)?;
        if staged.length() < size {
            return Ok(synced);
        }
        let Some(staged) = self.begun.remove(&blob) else { return Ok(synced) };
        if size > CHUNK_BYTES {
            return Ok(synced + staged.finish()?);
        }
        self.waiting.push(staged);
        let waiting: u64 = self.waiting.iter().map(StagedBlob::length).sum();
        let is_full = self.waiting.len() >= WAITING_BLOBS || waiting >= WAITING_BYTES;
        Ok(synced + if is_full { StagedBlob::finish_all(std::mem::take(&mut self.waiting))? } else { 0 })
    }

    fn keep(&mut self) -> Result<()> {
        StagedBlob::finish_all(std::mem::take(&mut self.waiting)).map(drop)
    }

    fn finish(&mut self) -> Result<u64> {
        if let Some(blob) = self.begun.keys().next() {
            let digest = self.payload.blob(*blob).sha256;
            return Err(MediaError::Bug(format!("{digest} was not copied to its end")));
        }
        StagedBlob::finish_all(std::mem::take(&mut self.waiting))
    }
}
