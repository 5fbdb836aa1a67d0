//! Cached digests of programs on the vendor's machine, stored next to the blobs. A build reads kubectl and the
//! installer again only if the filesystem reports a possible change.
//!
//! No program can set the change time, so a replaced or modified file is detected even if its length and modification
//! time are the same. A file that changed within the last tick before it was read is not cached, because it may change
//! again within the same tick.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_media::durable;
use landfall_media::store::ContentStore;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::error::{BuildError, Result};

const RECORD_TYPE: &str = "landfall.dev/program/1";

/// Upper limit for a tick of a filesystem's clock; FAT32 has the longest.
const TICK: Duration = Duration::from_secs(2);

/// Metadata of a file. As long as it is unchanged, so are the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stamp {
    inode: u64,
    size: u64,
    /// Modification time, in seconds and nanoseconds since 1970.
    modified: (i64, i64),
    /// Time of the last change of content or attributes, in the same form.
    changed: (i64, i64),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    #[serde(rename = "type")]
    document_type: String,
    /// Path of the file, for people.
    path: PathBuf,
    stamp: Stamp,
    digest: Sha256,
}

/// A program on the vendor's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// SHA-256 of the program.
    pub digest: Sha256,
    /// Size in bytes.
    pub size: u64,
}

/// Digest cache of a store.
#[derive(Debug)]
pub struct Digests {
    folder: PathBuf,
    fresh: Mutex<FreshDigests>,
}

/// New digests that are not stored yet.
#[derive(Debug, Default)]
struct FreshDigests {
    read_bytes: u64,
    records: Vec<Record>,
}

impl Digests {
    /// Opens the cache of a store. Nothing is written before [`Digests::keep`].
    pub fn of(store: &ContentStore) -> Self {
        Self { folder: store.root().join("landfall/programs"), fresh: Mutex::default() }
    }

    /// Digest of a program, from its record or by reading it completely.
    pub fn program(&self, path: &Path) -> io::Result<Program> {
        let path = fs_err::canonicalize(path)?;
        let mut file = fs_err::File::open(&path)?;
        let stamp = Stamp::of(&file.metadata()?);
        if let Some(record) = self.find_record(&path).filter(|record| record.stamp == stamp) {
            return Ok(Program { digest: record.digest, size: stamp.size });
        }
        let begun = SystemTime::now();
        let mut hasher = sha2::Sha256::new();
        let size = io::copy(&mut file, &mut hasher)?;
        let digest = Sha256(hasher.finalize().into());
        let mut fresh = self.fresh();
        fresh.read_bytes += size;
        if stamp.is_settled(begun) && Stamp::of(&file.metadata()?) == stamp {
            fresh.records.push(Record { document_type: RECORD_TYPE.to_owned(), path, stamp, digest });
        }
        Ok(Program { digest, size })
    }

    /// Bytes that were read to compute digests.
    pub fn read_bytes(&self) -> u64 {
        self.fresh().read_bytes
    }

    /// Writes the new digests, synced to disk.
    pub fn keep(&self) -> Result<()> {
        for record in std::mem::take(&mut self.fresh().records) {
            let bytes = serde_json::to_vec(&record)
                .map_err(|error| BuildError::new(codes::BUG, "a program's record has no JSON form").because(error))?;
            durable::create_folder(&self.folder)?;
            durable::write_file(&self.record_path(&record.path), &bytes, 0o644)?;
        }
        Ok(())
    }

    /// Record of a program; an unreadable one is replaced later.
    fn find_record(&self, path: &Path) -> Option<Record> {
        let fresh = self.fresh().records.iter().find(|record| record.path == path).cloned();
        fresh.or_else(|| {
            let record: Record = serde_json::from_slice(&fs_err::read(self.record_path(path)).ok()?).ok()?;
            (record.document_type == RECORD_TYPE && record.path == path).then_some(record)
        })
    }

    /// Stores an arbitrary digest for a program.
    #[cfg(test)]
    pub(crate) fn remember(&self, path: &Path, digest: Sha256) {
        let path = fs_err::canonicalize(path).expect("path");
        let stamp = Stamp::of(&fs_err::metadata(&path).expect("metadata"));
        self.fresh().records = vec![Record { document_type: RECORD_TYPE.to_owned(), path, stamp, digest }];
        self.keep().expect("kept");
    }

    fn record_path(&self, path: &Path) -> PathBuf {
        let name = sha2::Sha256::digest(path.as_os_str().as_encoded_bytes());
        self.folder.join(Sha256(name.into()).to_hex())
    }

    fn fresh(&self) -> MutexGuard<'_, FreshDigests> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Returns true if the last change was more than a tick before `now`.
    fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let settled = |(seconds, _): (i64, i64)| {
            u64::try_from(seconds).is_ok_and(|seconds| Duration::from_secs(seconds + 1) + TICK < now)
        };
        settled(self.modified) && settled(self.changed)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A store, and a program with these bytes.
    fn store_and_program(bytes: &[u8]) -> (tempfile::TempDir, ContentStore, PathBuf) {
        let folder = tempfile::tempdir().expect("folder");
        let program = folder.path().join("program");
        durable::write_file(&program, bytes, 0o755).expect("program");
        let store = ContentStore::at(folder.path().join("store"));
        (folder, store, program)
    }

    /// Records the program as if its last change were long ago.
    fn remember(store: &ContentStore, program: &Path) {
        let digests = Digests::of(store);
        let digest = digests.program(program).expect("read").digest;
        digests.remember(program, digest);
    }

    fn of(bytes: &[u8]) -> Program {
        Program { digest: Sha256::of(bytes), size: bytes.len() as u64 }
    }

    #[test]
    fn changed_program_is_read_again() {
        let (_folder, store, program) = store_and_program(b"one");
        remember(&store, &program);
        let again = Digests::of(&store);
        assert_eq!((again.program(&program).expect("remembered"), again.read_bytes()), (of(b"one"), 0));
        // The new content has the same length and, as far as they can be set, the same times.
        let modified = fs_err::metadata(&program).expect("metadata").modified().expect("time");
        std::thread::sleep(Duration::from_millis(50));
        let mut file = fs_err::OpenOptions::new().write(true).open(&program).expect("program");
        file.write_all(b"two").expect("written");
        file.into_file().set_modified(modified).expect("time");
        let changed = Digests::of(&store);
        assert_eq!((changed.program(&program).expect("read"), changed.read_bytes()), (of(b"two"), 3));
    }

    #[test]
    fn recent_changes_are_not_remembered() {
        let (_folder, store, program) = store_and_program(b"one");
        let digests = Digests::of(&store);
        digests.program(&program).expect("read");
        digests.keep().expect("kept");
        assert!(!store.root().exists(), "it was modified within the current tick");
        let stamp = Stamp::of(&fs_err::metadata(&program).expect("metadata"));
        assert!(!stamp.is_settled(SystemTime::now()));
        assert!(stamp.is_settled(SystemTime::now() + Duration::from_secs(5)));
    }

    #[test]
    fn torn_record_is_replaced() {
        let (_folder, store, program) = store_and_program(b"one");
        remember(&store, &program);
        let digests = Digests::of(&store);
        let path = digests.record_path(&fs_err::canonicalize(&program).expect("path"));
        durable::write_file(&path, b"{", 0o644).expect("torn");
        assert_eq!((digests.program(&program).expect("read"), digests.read_bytes()), (of(b"one"), 3));
    }
}
