//! The content store: blobs by digest, in the storage layout of CNCF distribution. A registry serves the same folder
//! that staging writes and building reads.
//!
//! ```text
//! docker/registry/v2/blobs/sha256/ab/HEX/data      a blob
//! docker/registry/v2/repositories/NAME/…/link      a link from a repository to a blob
//! landfall/records/ab/HEX                          BLAKE3, size and chunk values, computed at ingestion
//! landfall/partial/HEX                             an unfinished download
//! landfall/partial/HEX.staged                      an unfinished blob of a bundle, checked chunk by chunk
//! landfall/partial/HEX.PID.N.ingest                an unfinished blob whose digest is not known yet
//! ```
//!
//! Invariants: a blob's `data` appears by rename, synced before and after, after its bytes matched its digest and after
//! its record was written. Files in `partial` do not count until they are whole: a download is hashed again from its
//! beginning, and the end of a staged blob is checked again. The writer of such a file holds its `flock`, which
//! distinguishes work in progress from the leftover of a crash.

mod collect;
mod group;
mod partial;
mod record;
mod repository;
mod staged;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::chunks::{BlobHasher, BlobSums};
use rustix::fs::FlockOperation;

pub use self::collect::CollectTotals;
pub(crate) use self::group::BlobGroup;
pub use self::partial::PartialBlob;
pub use self::repository::RepositoryLink;
pub use self::staged::StagedBlob;
use crate::counters::Counters;
use crate::disk::{AlignedBuffer, DiskFile, SYNC_BYTES};
use crate::durable::{self, DurableError};
use crate::error::{MediaError, PathContext, Result};
use crate::payload::Payload;
use crate::progress::{Event, Progress};

/// A caller's knowledge about a blob before it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedBlob {
    /// Digest of the blob.
    pub digest: Sha256,
    /// Size in bytes.
    pub size: u64,
}

/// A folder of blobs. Clones share it; all methods may be called from several threads and processes at once.
#[derive(Debug, Clone)]
pub struct ContentStore {
    root: Arc<Path>,
    counters: Counters,
    /// Blobs ingested through this value and its clones, in order.
    arrived: Arc<Mutex<Vec<Sha256>>>,
}

/// Bytes per read and write.
pub(crate) const BUFFER_BYTES: usize = 1024 * 1024;

impl ContentStore {
    /// The store in this folder, which the first write creates.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self::with_counters(root, Counters::new())
    }

    /// Like [`ContentStore::at`], but `counters` counts the bytes.
    pub fn with_counters(root: impl Into<PathBuf>, counters: Counters) -> Self {
        Self { root: Arc::from(root.into()), counters, arrived: Arc::default() }
    }

    /// Path of the folder, which distribution calls `rootdirectory`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Counters of the bytes read and written.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Blobs ingested one by one through this value and its clones, in order, without blobs that existed before.
    pub fn arrived_blobs(&self) -> Vec<Sha256> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns true if the blob exists with a valid record and the length in that record. [`ContentStore::check`] also
    /// reads the blob.
    pub fn contains(&self, digest: Sha256) -> bool {
        self.record(digest).is_ok()
    }

    /// Returns true if the `blob`th entry of a bundle's list exists with the record and the length that were signed.
    /// [`crate::verify::verify_store`] also reads the blob.
    pub fn holds(&self, payload: &Payload, blob: usize) -> bool {
        self.record(payload.blob(blob).sha256).is_ok_and(|record| record == payload.sums(blob))
    }

    /// Makes the store no longer count a blob as present; on return, that is on the disk. The bytes stay for their
    /// current users until other bytes replace them.
    pub(crate) fn doubt(&self, digest: Sha256) -> Result<()> {
        let record = self.record_path(digest);
        let _turn = lock_folder(record.parent().unwrap_or(&record), FlockOperation::LockExclusive)?;
        Ok(durable::remove_file(&record)?)
    }

    /// Path of the blob, whether or not it exists.
    pub fn path(&self, digest: Sha256) -> PathBuf {
        let hex = digest.to_hex();
        self.root.join("docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }

    /// Opens a blob for reading.
    pub fn open(&self, digest: Sha256) -> Result<BlobFile> {
        let path = self.path(digest);
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.missing(digest)),
            file => {
                let disk = DiskFile::reading(file.at("open", &path)?);
                Ok(BlobFile { disk, path, counters: self.counters.clone() })
            }
        }
    }

    /// Reads a whole small blob, such as a manifest. Returns an error if it exceeds `limit` bytes.
    pub fn read(&self, digest: Sha256, limit: u64) -> Result<Vec<u8>> {
        let mut blob = self.open(digest)?;
        let size = blob.disk.file().metadata().at("look at", &blob.path)?.len();
        if size > limit {
            let what = format!("it has {size} bytes where at most {limit} are expected");
            return Err(MediaError::StoreDamaged { path: blob.path, what });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        let path = blob.path.clone();
        blob.read_to_end(&mut bytes).at("read", &path)?;
        Ok(bytes)
    }

    /// Returns the record that ingestion made of the blob. Its length must match the file.
    pub fn record(&self, digest: Sha256) -> Result<BlobSums> {
        let (path, record_path) = (self.path(digest), self.record_path(digest));
        let length = std::fs::symlink_metadata(&path).ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
        let Some(length) = length.filter(|_| record_path.is_file()) else { return Err(self.missing(digest)) };
        let record = record::read(&record_path, digest)?;
        if record.size == length {
            return Ok(record);
        }
        let what = format!("it has {length} bytes where its record says {}", record.size);
        Err(MediaError::StoreDamaged { path, what })
    }

    /// Reads the blob from the disk and compares it with its digest and its record.
    pub fn check(&self, digest: Sha256) -> Result<()> {
        self.check_watched(digest, &mut |_| ())
    }

    /// Like [`ContentStore::check`]; `advance` receives the number of bytes read at each step.
    pub fn check_watched(&self, digest: Sha256, advance: &mut dyn FnMut(u64)) -> Result<()> {
        let record = self.record(digest)?;
        let blob = self.open(digest)?;
        let mut hasher = BlobHasher::new();
        let mut buffer = AlignedBuffer::default();
        buffer.resize(BUFFER_BYTES);
        loop {
            match blob.read_at(&mut buffer, hasher.size())? {
                0 => break,
                count => {
                    hasher.update(&buffer[..count]);
                    advance(count as u64);
                }
            }
        }
        if hasher.finish() == record {
            return Ok(());
        }
        let what = "its bytes do not match its name and record".to_owned();
        Err(MediaError::StoreDamaged { path: self.path(digest), what })
    }

    /// Ingests a blob and hashes it once. With `expected`, returns an error for other bytes, and does not read a blob
    /// that already exists. On return, the blob is on the disk.
    pub fn ingest(&self, reader: &mut dyn Read, expected: Option<ExpectedBlob>) -> Result<BlobSums> {
        if let Some(expected) = expected
            && self.contains(expected.digest)
        {
            return self.record(expected.digest);
        }
        let path = self.anonymous_path();
        let file = self.create_locked(&path)?;
        let mut partial = PartialBlob::over(self.clone(), file, path.clone(), expected);
        let sums = partial.reserve().and_then(|()| partial.append_all(reader)).and_then(|()| partial.finish());
        if sums.is_err() {
            // An unfinished blob of this name cannot be continued.
            durable::remove_file(&path)?;
        }
        sums
    }

    /// Ingests a small blob from memory.
    pub fn ingest_bytes(&self, bytes: &[u8]) -> Result<BlobSums> {
        let digest = Sha256(sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(bytes)).into());
        self.ingest(&mut &*bytes, Some(ExpectedBlob { digest, size: bytes.len() as u64 }))
    }

    /// Begins or resumes a download, in this process or a later one. Existing bytes are read and hashed again. Returns
    /// `None` if the store has the whole blob. Waits for another thread or process that works on the same blob.
    pub fn partial(&self, expected: ExpectedBlob) -> Result<Option<PartialBlob>> {
        let path = self.partial_folder().join(expected.digest.to_hex());
        let is_here = || self.contains(expected.digest);
        let Some((file, path)) = self.lock_partial(path, &is_here, expected.size)? else { return Ok(None) };
        PartialBlob::resume(self.clone(), file, path, expected).map(Some)
    }

    /// Removes leftovers of crashes that cannot be continued: blobs of unknown digest, and temporary files. With `all`,
    /// also removes unfinished downloads and staged blobs. Work in progress elsewhere is left alone.
    pub fn sweep(&self, all: bool) -> Result<usize> {
        let folder = self.partial_folder();
        let mut removed = self.sweep_records()?;
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(removed),
            entries => entries.at("list", &folder)?,
        };
        for entry in entries {
            let path = entry.at("list", &folder)?.path();
            if all || path.extension().is_some_and(|extension| extension == "ingest") {
                let file = File::open(&path).at("open", &path)?;
                if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                    durable::remove_file(&path)?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    fn sweep_records(&self) -> Result<usize> {
        let records = self.records();
        if !records.is_dir() {
            return Ok(0);
        }
        let _groups = lock_folder(&records, FlockOperation::LockShared)?;
        let mut removed = 0;
        for folder in std::fs::read_dir(&records).at("list", &records)? {
            let folder = folder.at("list", &records)?.path();
            let _turn = lock_folder(&folder, FlockOperation::LockExclusive)?;
            removed += durable::remove_leftovers(&folder)?;
        }
        Ok(removed)
    }

    /// Waits until no other thread or process stages into this store, and blocks others until the result is dropped.
    /// Small blobs of a group close their files, and so lose their own locks, long before they get their names.
    pub(crate) fn wait_for_turn(&self, progress: &dyn Progress) -> Result<File> {
        let path = self.root();
        let folder = File::open(path).at("open the folder", path)?;
        if rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(folder);
        }
        progress.event(Event::Note(format!("another landfall is staging into {}: waiting for it", path.display())));
        rustix::fs::flock(&folder, FlockOperation::LockExclusive).map_err(io::Error::from).at("lock", path)?;
        Ok(folder)
    }

    fn missing(&self, digest: Sha256) -> MediaError {
        MediaError::BlobMissing { digest, store: self.root.to_path_buf() }
    }

    fn record_path(&self, digest: Sha256) -> PathBuf {
        let hex = digest.to_hex();
        self.records().join(&hex[..2]).join(hex)
    }

    /// Folder of the records, grouped by the first two digits of their digests. A process that makes or fills groups of
    /// records or blobs shares the lock of this folder; one that removes empty groups holds it exclusively.
    fn records(&self) -> PathBuf {
        self.root.join("landfall/records")
    }

    fn partial_folder(&self) -> PathBuf {
        self.root.join("landfall/partial")
    }

    fn anonymous_path(&self) -> PathBuf {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.partial_folder().join(format!("{}.{number}.ingest", std::process::id()))
    }

    fn create_locked(&self, path: &Path) -> Result<File> {
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o644).open(path);
        let opened = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                durable::create_folder(&self.partial_folder())?;
                open()
            }
            opened => opened,
        };
        let file = opened.map_err(|error| DurableError::io("create", path, error))?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .map_err(|error| MediaError::io("lock", path, error.into()))?;
        Ok(file)
    }

    /// Returns the locked partial file of a blob, or `None` once the blob is whole.
    fn lock_partial(&self, path: PathBuf, is_here: &dyn Fn() -> bool, size: u64) -> Result<Option<(File, PathBuf)>> {
        loop {
            if is_here() {
                return Ok(None);
            }
            let file = self.create_locked(&path)?;
            // The previous holder of the lock may have finished or removed the file that was opened here.
            let held = file.metadata().at("look at", &path)?;
            let named = std::fs::metadata(&path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
            if named == Some((held.dev(), held.ino())) && !is_here() {
                // Bytes synced behind the writer are useful only if their name also survives.
                if size > SYNC_BYTES {
                    durable::create_folder(&self.partial_folder())?;
                    durable::sync_folder(&self.partial_folder())?;
                }
                return Ok(Some((file, path)));
            }
            if is_here() && named == Some((held.dev(), held.ino())) {
                // The file was created here unnecessarily.
                durable::remove_file(&path)?;
            }
        }
    }

    /// Renames checked and synced bytes to the blob's path, after writing the record. On return, both are on the disk.
    fn publish(&self, whole: &Path, sums: &BlobSums) -> Result<()> {
        let record_path = self.record_path(sums.sha256);
        let blob_path = self.path(sums.sha256);
        let records = self.records();
        if !records.is_dir() {
            durable::create_folder(&records)?;
        }
        let _groups = lock_folder(&records, FlockOperation::LockShared)?;
        for path in [&record_path, &blob_path] {
            durable::create_folder(path.parent().unwrap_or(path))?;
        }
        let _turn = lock_folder(record_path.parent().unwrap_or(&record_path), FlockOperation::LockExclusive)?;
        durable::write_file(&record_path, &record::encode(sums), 0o644)?;
        durable::rename(whole, &blob_path)?;
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).push(sums.sha256);
        Ok(())
    }
}

/// Waits for the lock of a folder. Processes that write or sweep records of one group take turns, because they share
/// the names of temporary files.
fn lock_folder(path: &Path, operation: FlockOperation) -> Result<File> {
    let folder = File::open(path).at("open the folder", path)?;
    rustix::fs::flock(&folder, operation).map_err(io::Error::from).at("lock", path)?;
    Ok(folder)
}

/// A blob of the store, open for reading. Reads are counted.
#[derive(Debug)]
pub struct BlobFile {
    disk: DiskFile,
    path: PathBuf,
    counters: Counters,
}

impl BlobFile {
    /// Reads at an offset until the buffer is full or the blob ends. Returns the number of bytes.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let count = self.disk.read_at(offset, buffer).at("read", &self.path)?;
        self.counters.add_read(count);
        Ok(count)
    }

    /// Path of the blob.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Read for BlobFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.disk.file().read(buffer)?;
        self.counters.add_read(count);
        Ok(count)
    }
}

impl Seek for BlobFile {
    fn seek(&mut self, position: io::SeekFrom) -> io::Result<u64> {
        self.disk.file().seek(position)
    }
}

#[cfg(test)]
impl ContentStore {
    /// Replaces a blob with other bytes, and its record with one that matches them.
    #[expect(clippy::disallowed_methods, reason = "files of a test")]
    pub(crate) fn poison(&self, bytes: &[u8], sums: &BlobSums) {
        std::fs::write(self.path(sums.sha256), bytes).unwrap();
        std::fs::write(self.record_path(sums.sha256), record::encode(sums)).unwrap();
    }
}
