//! The content store: blobs by digest, in the storage layout of CNCF distribution, so that a registry serves the same
//! folder that staging writes and building reads.
//!
//! ```text
//! docker/registry/v2/blobs/sha256/ab/HEX/data      the blob
//! docker/registry/v2/repositories/NAME/…/link      which repository has it
//! landfall/records/ab/HEX                          BLAKE3, size and chunk values, found in the one pass of ingestion
//! landfall/partial/HEX                             a download that is not whole yet
//! landfall/partial/HEX.staged                      a blob of a bundle, checked chunk by chunk, that is not whole yet
//! landfall/partial/HEX.PID.N.ingest                one whose digest is not known yet
//! ```
//!
//! Invariants: a blob's `data` appears by rename, synced before and after, once its bytes matched its digest, and after
//! its record. Files in `partial` do not count until they are whole: a download is hashed again from its beginning; the
//! end of a staged blob is checked again. The writer of a file there holds its `flock`, which distinguishes work in
//! progress from the leftover of a crash.

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

pub use self::collect::Collected;
pub(crate) use self::group::BlobGroup;
pub use self::partial::Partial;
pub use self::repository::RepositoryLink;
pub use self::staged::StagedBlob;
use crate::counters::Counters;
use crate::disk::{AlignedBuffer, DiskFile, SYNC_BYTES};
use crate::durable::{self, DurableError};
use crate::error::{At, MediaError, Result};
use crate::payload::Payload;
use crate::progress::{Event, Progress};

/// What a caller knows about a blob before it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its name.
    pub digest: Sha256,
    /// Bytes.
    pub size: u64,
}

/// A folder of blobs. Clones share it; all methods may be called from several threads and processes at once.
#[derive(Debug, Clone)]
pub struct ContentStore {
    root: Arc<Path>,
    counters: Counters,
    /// The blobs that came in through this value and its clones, in their order.
    arrived: Arc<Mutex<Vec<Sha256>>>,
}

/// Bytes per read and write.
pub(crate) const BUFFER_BYTES: usize = 1024 * 1024;

impl ContentStore {
    /// The store in this folder, which the first write creates.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self::counted(root, Counters::new())
    }

    /// The same, counting into `counters`.
    pub fn counted(root: impl Into<PathBuf>, counters: Counters) -> Self {
        Self { root: Arc::from(root.into()), counters, arrived: Arc::default() }
    }

    /// The folder: what distribution calls `rootdirectory`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where bytes read and written are counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The blobs that came in one by one through this value and its clones, in their order; none that was here before.
    pub fn arrived(&self) -> Vec<Sha256> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the blob is here with a sound record and the length that the record says; [`ContentStore::check`] reads it.
    pub fn contains(&self, digest: Sha256) -> bool {
        self.record(digest).is_ok()
    }

    /// Whether a blob of a bundle, the `blob`th entry of its list, is here with the record and the length that were signed;
    /// [`crate::verify::verify_store`] reads it.
    pub fn holds(&self, payload: &Payload, blob: usize) -> bool {
        self.record(payload.blob(blob).sha256).is_ok_and(|record| record == payload.sums(blob))
    }

    /// Ends that a blob counts as here, on the disk on return. Its bytes stay, for whatever uses them, until others take their place.
    pub(crate) fn doubt(&self, digest: Sha256) -> Result<()> {
        let record = self.record_path(digest);
        let _turn = lock_folder(record.parent().unwrap_or(&record), FlockOperation::LockExclusive)?;
        Ok(durable::remove_file(&record)?)
    }

    /// Where the blob is, or would be.
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

    /// All of a small blob, such as a manifest; an error above `limit` bytes.
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

    /// What ingestion recorded about the blob, whose length must agree.
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

    /// Reads the blob from the disk and compares it with its name and its record.
    pub fn check(&self, digest: Sha256) -> Result<()> {
        self.check_watched(digest, &mut |_| ())
    }

    /// The same; `advance` receives the number of bytes read at each step.
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

    /// Ingests a blob, hashing it once. With `expected`, other bytes are refused; a blob that is here already is not
    /// read. On return it is on the disk.
    pub fn ingest(&self, reader: &mut dyn Read, expected: Option<Expected>) -> Result<BlobSums> {
        if let Some(expected) = expected
            && self.contains(expected.digest)
        {
            return self.record(expected.digest);
        }
        let path = self.anonymous_path();
        let file = self.create_locked(&path)?;
        let mut partial = Partial::over(self.clone(), file, path.clone(), expected);
        let sums = partial.reserve().and_then(|()| partial.append_all(reader)).and_then(|()| partial.finish());
        if sums.is_err() {
            // Nothing can continue a blob of this name.
            durable::remove_file(&path)?;
        }
        sums
    }

    /// Ingests a small blob from memory.
    pub fn ingest_bytes(&self, bytes: &[u8]) -> Result<BlobSums> {
        let digest = Sha256(sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(bytes)).into());
        self.ingest(&mut &*bytes, Some(Expected { digest, size: bytes.len() as u64 }))
    }

    /// A download that can be resumed, in this process or a later one: existing bytes are read and hashed again. `None`
    /// when the blob is whole. Waits for another thread or process that works on the same blob.
    pub fn partial(&self, expected: Expected) -> Result<Option<Partial>> {
        let path = self.partial_folder().join(expected.digest.to_hex());
        let is_here = || self.contains(expected.digest);
        let Some((file, path)) = self.lock_partial(path, &is_here, expected.size)? else { return Ok(None) };
        Partial::resumed(self.clone(), file, path, expected).map(Some)
    }

    /// Removes leftovers of crashes that cannot be continued: blobs of unknown digest, temporary files. With `all`,
    /// also downloads and staged blobs that are not whole. Work in progress elsewhere is left alone.
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

    /// Waits until no other thread or process stages into this store, and keeps others waiting until the result is
    /// dropped. Small blobs of a group close their files, and so lose their own locks, long before they get their names.
    pub(crate) fn wait_for_turn(&self, progress: &dyn Progress) -> Result<File> {
        let path = self.root();
        let folder = File::open(path).at("open the folder", path)?;
        if rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(folder);
        }
        progress.event(Event::Note(format!("another landfall stages into {}: waiting for it", path.display())));
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

    /// Where records are, in groups by the first two digits of their digests. A process that makes or fills groups, of records or of blobs,
    /// shares the lock of this folder; one that removes empty groups holds it alone.
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

    /// The partial file of a blob, locked; `None` once the blob is whole.
    fn lock_partial(&self, path: PathBuf, is_here: &dyn Fn() -> bool, size: u64) -> Result<Option<(File, PathBuf)>> {
        loop {
            if is_here() {
                return Ok(None);
            }
            let file = self.create_locked(&path)?;
            // The process that held the lock before may have finished or removed the file that was opened here.
            let held = file.metadata().at("look at", &path)?;
            let named = std::fs::metadata(&path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
            if named == Some((held.dev(), held.ino())) && !is_here() {
                // Bytes synced behind the writer are useful only if their name survives, too.
                if size > SYNC_BYTES {
                    durable::create_folder(&self.partial_folder())?;
                    durable::sync_folder(&self.partial_folder())?;
                }
                return Ok(Some((file, path)));
            }
            if is_here() && named == Some((held.dev(), held.ino())) {
                // It was created here without need.
                durable::remove_file(&path)?;
            }
        }
    }

    /// Gives checked and synced bytes their name, record first. Both are on the disk on return.
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

/// Waits for the lock of a folder. Processes that write or sweep records of one group take turns, since they share the names of temporary
/// files.
fn lock_folder(path: &Path, operation: FlockOperation) -> Result<File> {
    let folder = File::open(path).at("open the folder", path)?;
    rustix::fs::flock(&folder, operation).map_err(io::Error::from).at("lock", path)?;
    Ok(folder)
}

/// A blob of the store, open for reading; reads are counted.
#[derive(Debug)]
pub struct BlobFile {
    disk: DiskFile,
    path: PathBuf,
    counters: Counters,
}

impl BlobFile {
    /// Reads at an offset until the buffer is full or the blob ends; returns how many bytes.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let count = self.disk.read_at(offset, buffer).at("read", &self.path)?;
        self.counters.add_read(count);
        Ok(count)
    }

    /// Its path.
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
    /// Puts other bytes in the place of a blob, with a record that agrees with them.
    #[expect(clippy::disallowed_methods, reason = "files of a test")]
    pub(crate) fn poison(&self, bytes: &[u8], sums: &BlobSums) {
        std::fs::write(self.path(sums.sha256), bytes).unwrap();
        std::fs::write(self.record_path(sums.sha256), record::encode(sums)).unwrap();
    }
}
