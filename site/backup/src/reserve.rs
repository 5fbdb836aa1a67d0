//! Space of a disk that a backup leaves free: what runs beside it writes there, too.

use std::path::Path;

use crate::error::{BackupError, Result};

/// What stays free of the filesystem that a repository is on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reserve {
    /// Bytes.
    pub bytes: u64,
    /// Files and folders; counted only where the filesystem has a limit of them.
    pub inodes: u64,
}

impl Reserve {
    /// Bytes that may be written below `folder` beside the reserve; none where that is not known.
    pub(crate) fn spare_bytes(self, folder: &Path) -> u64 {
        let free = rustix::fs::statvfs(folder).map_or(0, |measured| measured.f_bavail * measured.f_frsize);
        free.saturating_sub(self.bytes)
    }

    /// Refuses to write a file of this size below `folder` if less than the reserve would be free then.
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
