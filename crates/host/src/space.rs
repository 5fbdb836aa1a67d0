//! Space on filesystems: used by a folder, and free.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Instant;

use landfall_engine::step::StepError;
use rustix::fs::StatVfsMountFlags;

use crate::files::file_error;

/// Space that is used or needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Space {
    /// Bytes of the filesystem.
    pub bytes: u64,
    /// Files, folders and links.
    pub inodes: u64,
}

impl Space {
    /// Returns the sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), inodes: self.inodes.saturating_add(other.inodes) }
    }

    /// Returns this space multiplied by `count`.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self { bytes: self.bytes.saturating_mul(count), inodes: self.inodes.saturating_mul(count) }
    }

    /// Returns the maximum of both, for needs that do not exist at the same time.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { bytes: self.bytes.max(other.bytes), inodes: self.inodes.max(other.inodes) }
    }
}

/// Free space of a filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeSpace {
    /// Device number: two folders with the same one share their space.
    pub device: u64,
    /// Bytes that can be written.
    pub bytes: u64,
    /// Inodes that can be created; `None` if the filesystem creates them as needed.
    pub inodes: Option<u64>,
    /// True if it is mounted read-only.
    pub read_only: bool,
}

impl FreeSpace {
    /// Returns the free space of the filesystem of this path, or of its nearest existing ancestor.
    pub fn at(path: &Path) -> Result<Self, StepError> {
        let existing = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
        let device = fs_err::metadata(existing).map_err(|error| file_error("look at", existing, error))?.dev();
        let measured = rustix::fs::statvfs(existing).map_err(|errno| file_error("measure", existing, errno.into()))?;
        Ok(Self {
            device,
            bytes: measured.f_bavail * measured.f_frsize,
            inodes: (measured.f_files > 0).then_some(measured.f_favail),
            read_only: measured.f_flag.contains(StatVfsMountFlags::RDONLY),
        })
    }

    /// Returns true if this space is available.
    pub fn has(&self, space: Space) -> bool {
        self.bytes >= space.bytes && self.inodes.is_none_or(|free| free >= space.inodes)
    }
}

/// Returns the space that a folder and its contents use. Files removed in the meantime are not counted.
pub fn tree(path: &Path) -> Result<Space, StepError> {
    Ok(walk(path, &|| false)?.unwrap_or_default())
}

/// Like [`tree`]; `None` if counting takes longer than `until`.
pub fn tree_until(path: &Path, until: Instant) -> Result<Option<Space>, StepError> {
    walk(path, &|| Instant::now() >= until)
}

/// Returns the space of a tree; `None` once `stops` returns true.
fn walk(path: &Path, stops: &dyn Fn() -> bool) -> Result<Option<Space>, StepError> {
    let gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    let found = match path.symlink_metadata() {
        Err(error) if gone(&error) => return Ok(Some(Space::default())),
        found => found.map_err(|error| file_error("look at", path, error))?,
    };
    let mut space = Space { bytes: found.blocks() * 512, inodes: 1 };
    if found.is_dir() {
        let entries = match fs_err::read_dir(path) {
            Err(error) if gone(&error) => return Ok(Some(space)),
            entries => entries.map_err(|error| file_error("list", path, error))?,
        };
        for entry in entries {
            let entry = entry.map_err(|error| file_error("list", path, error))?;
            if stops() {
                return Ok(None);
            }
            let Some(below) = walk(&entry.path(), stops)? else { return Ok(None) };
            space = space.plus(below);
        }
    }
    Ok(Some(space))
}
