//! Batches of small changes that become durable together. One sync of the filesystem costs less than hundreds of syncs
//! of individual files and folders.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::sibling::Sibling;
use super::{PathContext, Result, SyncFailed, remove_if_there, rename_unsynced, traced, turn};

/// Changes below one folder that all reach the disk at [`Batch::commit`]. Until then, a power cut may keep any subset
/// of them, even a name without its bytes. So commit the bytes first, and only then create a name that other code
/// relies on.
///
/// The kernel reports a failed write-back only to processes that had the filesystem open when it happened. A batch
/// opens the filesystem when it begins. So begin a batch before the first byte that it must make durable, even if other
/// code writes the file.
#[derive(Debug)]
#[must_use = "nothing is on the disk before commit"]
pub struct Batch {
    root: PathBuf,
    watched: File,
}

impl Batch {
    /// Begins a batch on the filesystem of this folder, which must exist.
    pub fn begin(root: &Path) -> Result<Self> {
        Ok(Self { root: root.to_owned(), watched: File::open(root).at("open the folder", root)? })
    }

    /// Writes a file with exactly these bytes and permission bits, and creates its folder. Replaces an existing file.
    pub fn write_file(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        self.create_folder(path.parent().unwrap_or(path))?;
        let _turn = turn(path);
        Sibling::write(path, bytes, mode)?.rename(path, rename_unsynced)
    }

    /// Creates a folder with mode 0755, and all its missing parents.
    pub fn create_folder(&self, path: &Path) -> Result<()> {
        DirBuilder::new().recursive(true).mode(0o755).create(path).at("create the folder", path)?;
        traced!(path, Act::MakeFolder);
        Ok(())
    }

    /// Renames a file within the filesystem, and creates the folder of the new name. Replaces an existing file of that
    /// name.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.create_folder(to.parent().unwrap_or(to))?;
        rename_unsynced(from, to)
    }

    /// Removes a file or a link. A missing one is not an error.
    pub fn remove_file(&self, path: &Path) -> Result<()> {
        remove_if_there(path).map(|_| ())
    }

    /// Syncs every change made so far.
    pub fn commit(&self) -> Result<()> {
        rustix::fs::syncfs(&self.watched)
            .map_err(|error| SyncFailed { path: self.root.clone(), source: error.into() })?;
        traced!(&self.root, Act::SyncAll);
        Ok(())
    }
}
