//! Groups of small blobs that become durable together.
//!
//! A sync of the whole filesystem also flushes the writes of databases and etcd. So one sync serves many blobs, and it
//! has two effects. It makes durable the bytes and records of its own blobs, and the names of the blobs before them. A
//! blob gets its name only after its bytes are on the disk.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;

use rustix::fs::FlockOperation;

use super::staged::{StagedBlob, WholeBlob};
use super::{ContentStore, lock_folder, record};
use crate::durable::{self, Batch};
use crate::error::{MediaError, Result};
use crate::payload::Payload;

/// Maximum bytes of the blobs that wait for one sync.
const GROUP_BYTES: u64 = 64 * 1024 * 1024;

/// Minimum bytes that a blob counts for, which limits the number of waiting blobs. A blob occupies one block for itself
/// and one for its record.
const BLOB_BYTES: u64 = 8 * 1024;

/// Whole blobs of one bundle that wait for their common sync.
#[derive(Debug)]
pub(crate) struct BlobGroup {
    store: ContentStore,
    payload: Payload,
    /// Batch that was begun before the first byte of the first blob.
    batch: Batch,
    whole: Vec<WholeBlob>,
    bytes: u64,
    /// True if names were given since the last sync.
    has_names: bool,
}

impl BlobGroup {
    /// Begins a group for blobs of this store; call it before the first of them. Creates the store's folder.
    pub(crate) fn begin(store: &ContentStore, payload: &Payload) -> Result<Self> {
        durable::create_folder(store.root())?;
        let batch = Batch::begin(store.root())?;
        Ok(Self {
            store: store.clone(),
            payload: payload.clone(),
            batch,
            whole: Vec::new(),
            bytes: 0,
            has_names: false,
        })
    }

    /// Takes a blob whose last chunk was appended. Returns how many more bytes than before are on the disk.
    pub(crate) fn take(&mut self, staged: StagedBlob) -> Result<u64> {
        let size = staged.length();
        self.whole.push(staged.into_whole()?);
        self.bytes += size.max(BLOB_BYTES);
        if self.bytes >= GROUP_BYTES { self.commit() } else { Ok(0) }
    }

    /// Ends the group. On return, all its blobs are in the store and on the disk. Returns how many more bytes than
    /// before are on the disk.
    pub(crate) fn finish(&mut self) -> Result<u64> {
        let bytes = self.commit()?;
        if self.has_names {
            self.sync()?;
            self.has_names = false;
        }
        Ok(bytes)
    }

    /// Syncs the bytes and records of the waiting blobs, then gives them their names.
    fn commit(&mut self) -> Result<u64> {
        if self.whole.is_empty() {
            return Ok(0);
        }
        let records = self.store.records();
        self.batch.create_folder(&records)?;
        let _groups = lock_folder(&records, FlockOperation::LockShared)?;
        let whole = std::mem::take(&mut self.whole);
        self.bytes = 0;
        for blob in &whole {
            let sums = self.payload.sums(blob.blob);
            let path = self.store.record_path(sums.sha256);
            let folder = path.parent().unwrap_or(&path);
            self.batch.create_folder(folder)?;
            let _turn = lock_folder(folder, FlockOperation::LockExclusive)?;
            self.batch.write_file(&path, &record::encode(&sums), 0o644)?;
        }
        self.sync()?;
        for blob in &whole {
            self.name(blob)?;
        }
        self.has_names = true;
        Ok(whole.iter().map(|blob| blob.unsynced).sum())
    }

    fn sync(&self) -> Result<()> {
        self.store.counters.add_filesystem_sync();
        Ok(self.batch.commit()?)
    }

    fn name(&self, blob: &WholeBlob) -> Result<()> {
        let digest = self.payload.blob(blob.blob).sha256;
        if let Some(length) = NonZeroU64::new(blob.unsynced)
            && let Ok(file) = File::open(&blob.path)
        {
            // Advice only: the blob is on the disk, and running software needs the memory.
            let _ = rustix::fs::fadvise(&file, 0, Some(length), rustix::fs::Advice::DontNeed);
        }
        match self.batch.rename(&blob.path, &self.store.path(digest)) {
            // Another process that stages the same bundle has already renamed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.store.holds(&self.payload, blob.blob) => {
                Ok(())
            }
            named => named.map_err(MediaError::from),
        }
    }
}
