//! Many small changes that become durable together: one sync of the file system costs less than hundreds of files and
//! folders one by one.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::{At, Result, rename_unsynced, sync_filesystem, temporary_sibling, turn, write_temporary};

/// Changes below one folder that reach the disk at [`Batch::commit`], all of them. Until then a power cut may keep any of
/// them, a name without its bytes included: so what others rely on is renamed in a later batch than it is written in.
#[derive(Debug)]
#[must_use = "nothing is on the disk before commit"]
pub struct Batch<'a> {
    root: &'a Path,
}

impl<'a> Batch<'a> {
    /// A batch on the file system of this folder, which must exist.
    pub fn new(root: &'a Path) -> Self {
        Self { root }
    }

    /// Writes a file with exactly these bytes and permission bits, replacing one that is there, and creates its folder.
    pub fn write_file(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        self.create_folder(path.parent().unwrap_or(path))?;
        let _turn = turn(path);
        let temporary = temporary_sibling(path);
        write_temporary(&temporary, bytes, mode)?;
        rename_unsynced(&temporary, path)
    }

    /// Creates a folder with mode 0755 and all its missing parents.
    pub fn create_folder(&self, path: &Path) -> Result<()> {
        DirBuilder::new().recursive(true).mode(0o755).create(path).at("create the folder", path)
    }

    /// Renames within the file system, replacing a file of that name, and creates its folder.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.create_folder(to.parent().unwrap_or(to))?;
        rename_unsynced(from, to)
    }

    /// Puts everything on the disk.
    pub fn commit(self) -> Result<()> {
        sync_filesystem(self.root)
    }
}
