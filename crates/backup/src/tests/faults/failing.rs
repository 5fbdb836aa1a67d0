//! A folder with a repository on a failing disk: one of many calls returns an error, or a write that seems to succeed
//! is lost.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use landfall_media::durable::{self, DurableError, SyncFailed};

use crate::error::{BackupError, Result};
use crate::store::{Disk, ListedFile, Store};

/// Fault of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// A call fails with an error of the device, or of the filesystem for a write.
    Fails,
    /// Every call fails from that one on.
    Dies,
    /// A write finds no space.
    Full,
    /// The bytes of a write cannot be made durable, so the file never gets its name.
    SyncFails,
    /// The name of a write cannot be made durable.
    FolderSyncFails,
    /// A successful write has lost its last bytes.
    Shortens,
    /// A successful write has zeros instead of its last bytes.
    Zeroes,
    /// A successful write is lost completely.
    Loses,
}

impl Fault {
    pub(super) const ALL: [Self; 8] = [
        Self::Fails,
        Self::Dies,
        Self::Full,
        Self::SyncFails,
        Self::FolderSyncFails,
        Self::Shortens,
        Self::Zeroes,
        Self::Loses,
    ];

    /// Returns true if only writes can have this fault.
    pub(super) fn is_of_writes(self) -> bool {
        !matches!(self, Self::Fails | Self::Dies)
    }

    /// Returns true if the disk does not report this fault.
    pub(super) fn is_silent(self) -> bool {
        matches!(self, Self::Shortens | Self::Zeroes | Self::Loses)
    }
}

/// A fault at the call with this number, counted among writes only if only writes can have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlannedFault {
    pub(super) fault: Fault,
    pub(super) at: usize,
}

/// Record of the calls.
#[derive(Debug, Default)]
struct Calls {
    planned: Option<PlannedFault>,
    all: usize,
    writes: usize,
    /// The call that the fault hit.
    hit: Option<String>,
}

/// The disk; clones share it.
#[derive(Debug, Clone)]
pub(super) struct FailingDisk {
    disk: Arc<Disk>,
    calls: Arc<Mutex<Calls>>,
}

impl FailingDisk {
    pub(super) fn new(root: &Path, planned: Option<PlannedFault>) -> Self {
        Self { disk: Arc::new(Disk::new(root)), calls: Arc::new(Mutex::new(Calls { planned, ..Calls::default() })) }
    }

    /// Returns the number of calls, and the number of writes.
    pub(super) fn counts(&self) -> (usize, usize) {
        let calls = self.calls.lock().unwrap();
        (calls.all, calls.writes)
    }

    /// Returns the call that the fault hit, if it occurred.
    pub(super) fn hit(&self) -> Option<String> {
        self.calls.lock().unwrap().hit.clone()
    }

    /// Counts a call, and returns its fault.
    fn fault(&self, what: &str, file: &Path, is_write: bool) -> Option<Fault> {
        let mut calls = self.calls.lock().unwrap();
        let (all, writes) = (calls.all, calls.writes);
        calls.all += 1;
        calls.writes += usize::from(is_write);
        let planned = calls.planned?;
        let is_now = match planned.fault {
            Fault::Fails => all == planned.at,
            Fault::Dies => all >= planned.at,
            _ => is_write && writes == planned.at,
        };
        if !is_now {
            return None;
        }
        calls.hit.get_or_insert_with(|| format!("{what} {}", file.display()));
        Some(planned.fault)
    }

    fn read_with<T>(&self, what: &str, file: &Path, read: impl FnOnce(&Disk) -> io::Result<T>) -> io::Result<T> {
        match self.fault(what, file, false) {
            Some(_) => Err(io_error()),
            None => read(&self.disk),
        }
    }

    fn path(&self, file: &Path) -> PathBuf {
        self.disk.place().join(file)
    }

    fn durable_error(&self, operation: &'static str, file: &Path, source: io::Error) -> BackupError {
        DurableError::Io { operation, path: self.path(file), source }.into()
    }

    /// Writes the bytes as the faulty disk does.
    fn spoil(&self, fault: Fault, file: &Path, bytes: &[u8]) -> Result<()> {
        let half = bytes.len() / 2;
        match fault {
            Fault::Shortens => self.disk.write(file, &bytes[..half]),
            Fault::Zeroes => self.disk.write(file, &[&bytes[..half], &vec![0; bytes.len() - half]].concat()),
            Fault::Loses => self.disk.remove(file),
            _ => self.disk.write(file, bytes),
        }
    }
}

fn io_error() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())
}

fn full() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error())
}

impl Store for FailingDisk {
    fn place(&self) -> &Path {
        self.disk.place()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.read_with("list", Path::new(""), Disk::names)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<ListedFile>> {
        self.read_with("list", Path::new(folder), |disk| disk.list(folder))
    }

    fn size(&self, file: &Path) -> io::Result<Option<u64>> {
        self.read_with("look at", file, |disk| disk.size(file))
    }

    fn read(&self, file: &Path) -> io::Result<Bytes> {
        self.read_with("read", file, |disk| disk.read(file))
    }

    fn read_part(&self, file: &Path, offset: u32, length: u32) -> io::Result<Bytes> {
        self.read_with("read", file, |disk| disk.read_part(file, offset, length))
    }

    fn digest(&self, file: &Path, advance: &mut dyn FnMut(u64)) -> io::Result<rustic_core::Id> {
        self.read_with("digest", file, |disk| disk.digest(file, advance))
    }

    fn make_root(&self) -> Result<()> {
        self.disk.make_root()
    }

    fn make_folders(&self) -> Result<()> {
        self.disk.make_folders()
    }

    fn write(&self, file: &Path, bytes: &[u8]) -> Result<()> {
        match self.fault("write", file, true) {
            None => self.disk.write(file, bytes),
            Some(Fault::Fails | Fault::Dies) => Err(self.durable_error("write", file, io_error())),
            Some(Fault::Full) => Err(self.durable_error("write", file, full())),
            Some(fault @ (Fault::SyncFails | Fault::FolderSyncFails)) => {
                if fault == Fault::FolderSyncFails {
                    self.disk.write(file, bytes)?;
                }
                Err(DurableError::Sync(SyncFailed { path: self.path(file), source: io_error() }).into())
            }
            Some(fault) => self.spoil(fault, file, bytes),
        }
    }

    fn remove(&self, file: &Path) -> Result<()> {
        match self.fault("remove", file, false) {
            Some(_) => Err(self.durable_error("remove", file, io_error())),
            None => self.disk.remove(file),
        }
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

    fn forget_cached(&self, file: &Path) {
        self.disk.forget_cached(file);
    }
}

/// Restores every file of a repository.
pub(super) fn return_files(root: &Path, whole: &[(PathBuf, Vec<u8>)]) {
    for file in super::super::files(root) {
        if whole.binary_search_by(|(known, _)| known.cmp(&file)).is_err() {
            durable::remove_file(&root.join(file)).unwrap();
        }
    }
    for (file, bytes) in whole {
        let path = root.join(file);
        if std::fs::read(&path).ok().as_ref() != Some(bytes) {
            super::super::put(&path, bytes);
        }
    }
}
