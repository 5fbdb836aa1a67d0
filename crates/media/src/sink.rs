//! Destinations of blobs: a content store, or a new bundle.

use std::collections::{HashMap, HashSet};

use landfall_bundle_spec::Sha256;

use crate::error::{MediaError, Result};
use crate::payload::Payload;
use crate::store::{BlobGroup, ContentStore, StagedBlob};

/// The receiving end of copying: takes checked chunks and makes them durable.
pub trait BlobSink {
    /// Total bytes that will be on the disk in the end, including existing ones.
    fn total_bytes(&self) -> u64;

    /// Returns the first missing byte of the blob with this index, or `None` if it is complete. Called once for each
    /// blob, in order, before the first chunk.
    fn wants(&mut self, blob: usize) -> Result<Option<u64>>;

    /// Takes the next chunk of a blob; the last chunk ends the blob. Returns how many more bytes than before are on the
    /// disk, of this blob or earlier ones.
    fn take(&mut self, blob: usize, chunk: &[u8]) -> Result<u64>;

    /// Makes the complete blobs durable. Called when the copy stops for any reason except a failed sync.
    fn keep(&mut self) -> Result<()> {
        Ok(())
    }

    /// Ends the copy. On return, everything is on the disk. Returns how many more bytes than before are on the disk.
    fn finish(&mut self) -> Result<u64>;
}

/// A content store that receives the blobs of a bundle. A large blob is present, whole and durable once its last chunk
/// is taken; small ones become present together. Blobs that a crash interrupted are continued.
#[derive(Debug)]
pub struct StoreSink {
    store: ContentStore,
    payload: Payload,
    /// Continued blobs, by index, until their turn comes.
    begun: HashMap<usize, StagedBlob>,
    seen: HashSet<Sha256>,
    /// Small blobs that are whole. Begun before the first blob.
    group: Option<BlobGroup>,
}

impl StoreSink {
    /// Creates a sink that writes blobs of this payload into this store.
    pub fn new(store: ContentStore, payload: Payload) -> Self {
        Self { store, payload, begun: HashMap::new(), seen: HashSet::new(), group: None }
    }

    fn group(&mut self) -> Result<&mut BlobGroup> {
        if self.group.is_none() {
            self.group = Some(BlobGroup::begin(&self.store, &self.payload)?);
        }
        self.group.as_mut().ok_or_else(|| MediaError::Bug("there is no group".to_owned()))
    }

    fn stage(&mut self, blob: usize) -> Result<Option<StagedBlob>> {
        self.group()?;
        self.store.stage(&self.payload, blob)
    }

    /// Takes a whole blob. Returns how many more bytes than before are on the disk.
    fn end(&mut self, staged: StagedBlob) -> Result<u64> {
        if staged.is_large() { staged.finish() } else { self.group()?.take(staged) }
    }

    fn begin_blob(&mut self, blob: usize) -> Result<&mut StagedBlob> {
        if !self.begun.contains_key(&blob) {
            let staged = self.stage(blob)?;
            let digest = self.payload.blob(blob).sha256;
            let staged = staged.ok_or_else(|| MediaError::Bug(format!("{digest} is not from this group")))?;
            self.begun.insert(blob, staged);
        }
        self.begun.get_mut(&blob).ok_or_else(|| MediaError::Bug(format!("blob {blob} was not begun")))
    }
}

impl BlobSink for StoreSink {
    fn total_bytes(&self) -> u64 {
        self.payload.blob_bytes()
    }

    fn wants(&mut self, blob: usize) -> Result<Option<u64>> {
        let digest = self.payload.blob(blob).sha256;
        // A blob may occur twice: under its own name and among the blobs.
        if !self.seen.insert(digest) || self.store.holds(&self.payload, blob) {
            return Ok(None);
        }
        if !self.store.has_staged(&self.payload, blob) {
            return Ok(Some(0));
        }
        let Some(staged) = self.stage(blob)? else { return Ok(None) };
        let length = staged.length();
        if length == self.payload.blob(blob).size && length > 0 {
            self.end(staged)?;
            return Ok(None);
        }
        self.begun.insert(blob, staged);
        Ok(Some(length))
    }

    fn take(&mut self, blob: usize, chunk: &[u8]) -> Result<u64> {
        let size = self.payload.blob(blob).size;
        let staged = self.begin_blob(blob)?;
        let synced = staged.append(chunk)?;
        if staged.length() < size {
            return Ok(synced);
        }
        let Some(staged) = self.begun.remove(&blob) else { return Ok(synced) };
        Ok(synced + self.end(staged)?)
    }

    fn keep(&mut self) -> Result<()> {
        // If a sync of one of these blobs failed unnoticed, the remaining blobs must not be completed.
        self.begun.values_mut().try_for_each(StagedBlob::settle)?;
        self.group.as_mut().map_or(Ok(0), BlobGroup::finish).map(drop)
    }

    fn finish(&mut self) -> Result<u64> {
        if let Some(blob) = self.begun.keys().next() {
            let digest = self.payload.blob(*blob).sha256;
            return Err(MediaError::Bug(format!("{digest} was not copied to its end")));
        }
        self.group.as_mut().map_or(Ok(0), BlobGroup::finish)
    }
}
