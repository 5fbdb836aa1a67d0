//! The temporary sibling of a file. Among all processes it has one writer at a time, which holds the file's lock while
//! the file is open.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags};

use super::{DurableError, PathContext, Result, create_file, remove_if_there, sync_file, temporary_sibling, traced};

/// A temporary sibling that this process writes. A rename turns it into the file.
pub(super) struct Sibling {
    path: PathBuf,
    file: File,
}

impl Sibling {
    /// Creates the sibling of a file with these bytes and permission bits. Replaces a leftover, and waits for another
    /// writer.
    pub(super) fn write(of: &Path, bytes: &[u8], mode: u32) -> Result<Self> {
        #[cfg(any(test, feature = "testing"))]
        let bytes = &*crate::later::document(of, bytes);
        let path = temporary_sibling(of);
        let mut sibling = Self { file: create_alone(&path, mode)?, path };
        match sibling.fill(bytes) {
            Ok(()) => Ok(sibling),
            Err(error) => {
                sibling.remove();
                Err(error)
            }
        }
    }

    fn fill(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).at("write", &self.path)?;
        traced!(&self.path, Act::Write(bytes.to_vec()));
        Ok(())
    }

    /// Renames the sibling to its final name with the given function. If that fails, the sibling is removed, unless the
    /// disk cannot be trusted.
    pub(super) fn rename(self, to: &Path, rename: impl FnOnce(&Path, &Path) -> Result<()>) -> Result<()> {
        let renamed = rename(&self.path, to);
        if matches!(renamed, Err(DurableError::Io { .. })) {
            self.remove();
        }
        renamed
    }

    /// Syncs the sibling's bytes, then does the same as [`Sibling::rename`].
    pub(super) fn sync_and_rename(self, to: &Path, rename: impl FnOnce(&Path, &Path) -> Result<()>) -> Result<()> {
        sync_file(&self.file, &self.path)?;
        self.rename(to, rename)
    }

    /// Removes the sibling. Best effort: the rerun replaces it anyway.
    fn remove(&self) {
        if is_at(&self.file, &self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Creates a file and locks it for this process.
fn create_alone(path: &Path, mode: u32) -> Result<File> {
    loop {
        remove_leftover(path)?;
        let file = match create_file(path, mode) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            created => created?,
        };
        lock(&file);
        // Before it was locked, another process may have removed it as a leftover.
        if is_at(&file, path) {
            return Ok(file);
        }
    }
}

/// Removes an existing sibling once no process writes it.
fn remove_leftover(path: &Path) -> Result<()> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let names = |file: &File| file.metadata().map_or(1, |metadata| metadata.nlink());
    // The lock is held until the name is gone: otherwise, a writer that waits for it would take its sibling for its
    // own.
    let _locked = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // The leftover of an unfinished link is not waited for: its file has another name, and may be in use under it.
        Ok(file) if names(&file) > 1 => None,
        Ok(file) => {
            lock(&file);
            // Its writer has renamed it, or another process has removed it.
            if !is_at(&file, path) {
                return Ok(());
            }
            Some(file)
        }
        Err(_) => None,
    };
    remove_if_there(path).map(drop)
}

/// Waits for the lock. Best effort: filesystems without locks do not support several processes at once.
fn lock(file: &File) {
    let _ = rustix::fs::flock(file, FlockOperation::LockExclusive);
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(one), Ok(other)) = (file.metadata(), std::fs::symlink_metadata(path)) else { return false };
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}
