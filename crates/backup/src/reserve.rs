//! Disk space that a backup leaves free, because running software also writes there.

use std::path::Path;

use crate::error::{BackupError, Result};

/// Free space to keep on the filesystem of a repository.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reserve {
    /// Bytes.
    pub bytes: u64,
    /// Files and folders; counted only if the filesystem limits them.
    pub inodes: u64,
}

impl Reserve {
    /// Returns the bytes that may be written below `folder` without using the reserve; 0 if unknown.
    pub(crate) fn spare_bytes(self, folder: &Path) -> u64 {
        let free = rustix::fs::statvfs(folder).map_or(0, |measured| measured.f_bavail * measured.f_frsize);
        free.saturating_sub(self.bytes)
    }

    /// Returns an error if writing a file of this size below `folder` would leave less than the reserve free.
    pub(crate) fn refuse(self, folder: &Path, size_bytes: u64) -> Result<()> {
        if self == Self::default() {
            return Ok(());
        }
        let measured = rustix::fs::statvfs(folder).map_err(|errno| BackupError::io("measure", folder, errno.into()))?;
        let left_bytes = (measured.f_bavail * measured.f_frsize).saturating_sub(size_bytes);
        let short = if left_bytes < self.bytes {
            format!("{left_bytes} bytes would be free, and {} must stay free", self.bytes)
        } else if measured.f_files > 0 && measured.f_favail <= self.inodes {
            format!("{} inodes are free, and {} must stay free", measured.f_favail, self.inodes)
        } else {
            return Ok(());
        };
        Err(BackupError::NoRoom { folder: folder.to_owned(), short })
    }
}
