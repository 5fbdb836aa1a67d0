//! The folder of journals: one numbered file per operation, kept as history, and the lock that admits one operation.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err::{File, OpenOptions};
use jiff::Timestamp;
use landfall_documents::operation::{Holder, Operation};
use landfall_media::durable;

use super::error::{JournalError, JournalErrorKind, Newness};
use super::storage::{self, FileStorage};
use super::{Journal, OperationPins, Replay, first_record};

/// Name of the file that is under `flock` while an operation runs.
const LOCK_NAME: &str = "lock";

/// Suffix of journal names.
const JOURNAL_SUFFIX: &str = ".journal";

/// Exclusive right to change the site. One process holds it; it is released on drop or when the process dies.
#[derive(Debug)]
pub struct SiteLock {
    file: File,
}

impl Drop for SiteLock {
    fn drop(&mut self) {
        // The file's text is for people, and is meaningless once the lock is free.
        let _emptied = self.file.set_len(0);
        // A program that another thread is starting also holds this file until its exec, so closing the file alone
        // would not release the lock yet.
        let _released = self.file.file().unlock();
    }
}

/// A journal by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFile {
    /// Number of the operation; 1 for the first of the site.
    pub number: u64,
    /// Kind of the operation; `None` if this version does not know it.
    pub operation: Option<Operation>,
    /// The file.
    pub path: PathBuf,
}

impl JournalFile {
    fn expect_known(&self) -> Result<(), JournalError> {
        match self.operation {
            Some(_) => Ok(()),
            None => Err(JournalErrorKind::Newer { path: self.path.clone(), source: Newness::Operation }.into()),
        }
    }
}

/// All journals of a site.
#[derive(Debug, Clone)]
pub struct JournalFolder<P> {
    path: PathBuf,
    pinned: PhantomData<fn() -> P>,
}

impl<P: OperationPins> JournalFolder<P> {
    /// Returns the folder at `path`, which need not exist.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), pinned: PhantomData }
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lists the journals in the order of their operations. Changes nothing.
    pub fn list(&self) -> Result<Vec<JournalFile>, JournalError> {
        let entries = match fs_err::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(JournalError::io("list", &self.path, error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| JournalError::io("list", &self.path, error))?;
            files.extend(parse_name(&entry.file_name().to_string_lossy(), entry.path()));
        }
        files.sort_by_key(|file| file.number);
        Ok(files)
    }

    /// Returns the journal of the latest operation. Changes nothing.
    pub fn latest(&self) -> Result<Option<JournalFile>, JournalError> {
        Ok(self.list()?.pop())
    }

    /// Replays a journal for a report. Changes nothing, and needs no lock: an append in progress is read as a torn
    /// record.
    pub fn read(&self, file: &JournalFile) -> Result<Replay<P>, JournalError> {
        file.expect_known()?;
        Replay::of(&bytes_of(file)?, &file.path)
    }

    /// Like [`read`](Self::read), but fails if the operation is open and a newer program began it.
    pub fn read_to_continue(&self, file: &JournalFile) -> Result<Replay<P>, JournalError> {
        file.expect_known()?;
        Replay::to_continue(&bytes_of(file)?, &file.path)
    }

    /// Checks that a journal's bytes are as written, without interpreting them. Changes nothing.
    pub fn check(&self, file: &JournalFile) -> Result<(), JournalError> {
        super::decode_journal(&bytes_of(file)?, &file.path).map(drop)
    }

    /// Returns the process that currently runs an operation, if any. Changes nothing.
    pub fn holder(&self) -> Option<Holder> {
        let mut file = File::open(self.path.join(LOCK_NAME)).ok()?;
        match file.file().try_lock_shared() {
            Err(std::fs::TryLockError::WouldBlock) => Some(read_holder(&mut file)),
            // Closing alone would release the lock late, as for a [`SiteLock`], and the next operation would be
            // refused.
            Ok(()) => file.file().unlock().ok().and(None),
            Err(std::fs::TryLockError::Error(_)) => None,
        }
    }

    /// Creates the folder durably and takes the lock of the site, or reports the process that holds it.
    pub fn lock(&self, operation: &str) -> Result<SiteLock, JournalError> {
        durable::create_folder_with_mode(&self.path, 0o700)
            .map_err(|error| JournalError::durable(&self.path, error))?;
        let path = self.path.join(LOCK_NAME);
        let failed = |error| JournalError::io("lock", &path, error);
        loop {
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
            match file.file().try_lock() {
                Ok(()) => {}
                Err(std::fs::TryLockError::WouldBlock) => {
                    return Err(JournalErrorKind::Busy { holder: read_holder(&mut file) }.into());
                }
                Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
            }
            // An uninstall that ended in between removed the locked file: the lock is now another file.
            if is_same_file(&file, &path).map_err(failed)? {
                let holder =
                    Holder { operation: operation.to_owned(), pid: std::process::id(), started: Timestamp::now() };
                // The text is only for people: the lock is held even if a full disk has no space for it.
                if let Err(error) = write_holder(&mut file, &holder) {
                    tracing::warn!(%error, "the lock does not say who holds it");
                }
                return Ok(SiteLock { file });
            }
        }
    }

    /// Begins the journal of a new operation. On return, the file with record 0 is durable under its name; a power cut
    /// before that leaves no journal.
    pub fn create(&self, _lock: &SiteLock, pins: P) -> Result<Journal<P>, JournalError> {
        let number = self.latest()?.map_or(1, |file| file.number + 1);
        let path = self.path.join(format!("{number:06}-{}{JOURNAL_SUFFIX}", pins.operation().name()));
        let bytes = first_record(pins, &path)?;
        durable::write_file(&path, &bytes, 0o600).map_err(|error| JournalError::durable(&path, error))?;
        Self::open_path(&path)
    }

    /// Opens a journal to continue it.
    pub fn open(&self, _lock: &SiteLock, file: &JournalFile) -> Result<Journal<P>, JournalError> {
        file.expect_known()?;
        Self::open_path(&file.path)
    }

    /// Releases the space that a closed journal reserved for further records. An install's journal keeps it for the
    /// uninstall. Earlier programs released none.
    pub fn release_room(&self, _lock: &SiteLock, file: &JournalFile) -> Result<(), JournalError> {
        let failed = |error| JournalError::io("release the reserved space of", &file.path, error);
        let open = OpenOptions::new().write(true).open(&file.path).map_err(failed)?;
        storage::release(&open).map_err(failed)
    }

    fn open_path(path: &Path) -> Result<Journal<P>, JournalError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|error| JournalError::io("open", path, error))?;
        Journal::load(FileStorage::new(file), path)
    }

    /// Removes the folder with all journals, the first one last, and releases the lock. This is the very end of an
    /// uninstall: the first journal records it, so a rerun after a power cut completes it. Never removes a journal of a
    /// later version.
    pub fn remove(&self, lock: SiteLock) -> Result<(), JournalError> {
        let failed = |error| JournalError::durable(&self.path, error);
        let files = self.list()?;
        files.iter().try_for_each(JournalFile::expect_known)?;
        durable::remove_leftovers(&self.path).map_err(failed)?;
        for file in files.into_iter().rev() {
            durable::remove_file(&file.path).map_err(failed)?;
        }
        durable::remove_file(&self.path.join(LOCK_NAME)).map_err(failed)?;
        drop(lock);
        durable::remove_folder(&self.path).map_err(failed)
    }
}

/// Parses a journal's name, whatever its operation: an operation that a later version began must not be overlooked.
fn parse_name(name: &str, path: PathBuf) -> Option<JournalFile> {
    let (number, operation) = name.strip_suffix(JOURNAL_SUFFIX)?.split_once('-')?;
    Some(JournalFile { number: number.parse().ok()?, operation: Operation::named(operation), path })
}

fn is_same_file(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    match fs_err::metadata(path) {
        Ok(named) => Ok((held.dev(), held.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn write_holder(file: &mut File, holder: &Holder) -> io::Result<()> {
    let text = serde_json::to_vec(holder)?;
    file.set_len(0)?;
    file.write_all(&text)
}

fn bytes_of(file: &JournalFile) -> Result<Vec<u8>, JournalError> {
    fs_err::read(&file.path).map_err(|error| JournalError::io("read", &file.path, error))
}

fn read_holder(file: &mut File) -> Holder {
    let unknown = Holder { operation: String::new(), pid: 0, started: Timestamp::UNIX_EPOCH };
    let mut text = Vec::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut text));
    read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or(unknown)
}

#[cfg(test)]
mod tests;
