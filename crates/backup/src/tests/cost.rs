//! Tests of the cost of backups as a repository grows, in opened files and read bytes.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use rustic_core::Id;

use super::rot::save_log;
use super::*;
use crate::key_files;
use crate::store::{Disk, ListedFile, Store};

/// A folder that counts its reads. The ledger has a line for each backup, and is counted separately.
#[derive(Debug)]
struct CountingDisk {
    disk: Disk,
    opened: AtomicU64,
    bytes: AtomicU64,
}

impl CountingDisk {
    fn count(&self, file: &Path, bytes: u64) {
        self.opened.fetch_add(1, Ordering::Relaxed);
        if file != Path::new(crate::ledger::FILE) {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Returns the files opened and the bytes read since the last call.
    fn take(&self) -> (u64, u64) {
        (self.opened.swap(0, Ordering::Relaxed), self.bytes.swap(0, Ordering::Relaxed))
    }
}

impl Store for CountingDisk {
    fn place(&self) -> &Path {
        self.disk.place()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }

    fn list(&self, folder: &str) -> io::Result<Vec<ListedFile>> {
        self.disk.list(folder)
    }

    fn size(&self, file: &Path) -> io::Result<Option<u64>> {
        self.disk.size(file)
    }

    fn read(&self, file: &Path) -> io::Result<Bytes> {
        self.disk.read(file).inspect(|bytes| self.count(file, bytes.len() as u64))
    }

    fn read_part(&self, file: &Path, offset: u32, length: u32) -> io::Result<Bytes> {
        self.count(file, length.into());
        self.disk.read_part(file, offset, length)
    }

    fn digest(&self, file: &Path, advance: &mut dyn FnMut(u64)) -> io::Result<Id> {
        self.count(file, self.disk.size(file)?.unwrap_or_default());
        self.disk.digest(file, advance)
    }

    fn make_root(&self) -> Result<()> {
        self.disk.make_root()
    }

    fn make_folders(&self) -> Result<()> {
        self.disk.make_folders()
    }

    fn write(&self, file: &Path, bytes: &[u8]) -> Result<()> {
        self.disk.write(file, bytes)
    }

    fn remove(&self, file: &Path) -> Result<()> {
        self.disk.remove(file)
    }

    fn remove_leftovers(&self) -> Result<()> {
        self.disk.remove_leftovers()
    }

    fn lock_file(&self) -> Result<Option<File>> {
        self.disk.lock_file()
    }

    fn writers_file(&self) -> Result<Option<File>> {
        self.disk.writers_file()
    }
}

/// Returns a counting repository with the same files.
fn counting_repository(kept: &TestRepository) -> (Arc<CountingDisk>, Repository) {
    let disk = Disk::new(kept.repository.folder());
    let counting = Arc::new(CountingDisk { disk, opened: AtomicU64::default(), bytes: AtomicU64::default() });
    let store: Arc<dyn Store> = counting.clone();
    let master = key_files::unlock(&store, &kept.key).unwrap();
    let repository = Repository::of(&store, SITE, &kept.key, master);
    counting.take();
    (counting, repository)
}

#[test]
fn snapshots_are_read_once() {
    let kept = empty();
    let full = save(&kept.repository, "2026-11-20T02:00:00Z", &[("postgres/database", b"rows")]).unwrap();
    let (counting, repository) = counting_repository(&kept);
    let cost = |repository: &Repository| {
        repository.everything().unwrap();
        let everything = counting.take().0;
        let (known, opened) = repository.open_chosen(|_| Ok::<_, BackupError>(vec![full.id])).unwrap().unwrap();
        assert_eq!((known.full.len(), opened.len()), (1, 1));
        (everything, counting.take().0)
    };
    let before = cost(&repository);
    for index in 0..20 {
        save_log(&kept.repository, &random(600 + index, 500));
    }
    counting.take();
    let after = cost(&repository);
    assert_eq!(after.0 - before.0, 20, "to list them");
    // Each log backup has two index files. Each is compared with its name, past the page cache, and then read.
    assert_eq!(after.1 - before.1, 20 * 5, "to open one of them: {before:?}, then {after:?}");
}

#[test]
fn fortieth_log_backup_costs_like_first() {
    let kept = empty();
    save(&kept.repository, "2026-11-20T02:00:00Z", &[("postgres/database", &random(1, MIB))]).unwrap();
    let (counting, repository) = counting_repository(&kept);
    let costs: Vec<(u64, u64)> = (0..40)
        .map(|index| {
            save_log(&repository, &random(500 + index, 50_000));
            counting.take()
        })
        .collect();
    let (first, last) = (costs[0], costs[39]);
    assert!(first.0 > 3 && first.1 > 500, "{first:?}");
    assert!(last.0 * 10 <= first.0 * 13 && last.1 * 10 <= first.1 * 13, "{first:?}, then {last:?}");
}
