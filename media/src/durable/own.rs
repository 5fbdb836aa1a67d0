//! Folders that are ours to remove: marked as they are made, so that one which an administrator made, and a disk that is
//! mounted there, stay whatever becomes of what is in them.
//!
//! The mark is an extended attribute of the folder itself: it comes and goes with the folder, in no file that could
//! outlive it or be lost before. On a file system without such attributes the folder stays, empty.

use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, XattrFlags};
use rustix::io::Errno;

use super::{At, Result, create_folder, parent, remove_folder, rename_unsynced, sync_folder, temporary_sibling};

/// The extended attribute that says so.
const MARK: &str = "user.landfall.made";

/// Creates a folder with mode 0755 and all its missing parents, marked as ours. A folder that is there stays as it is,
/// unmarked if it was.
pub fn create_own_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return create_folder(path);
    }
    // It appears marked or not at all.
    let temporary = temporary_sibling(path);
    create_folder(&temporary)?;
    match rustix::fs::setxattr(&temporary, MARK, b"", XattrFlags::empty()) {
        Err(Errno::NOTSUP) => {}
        marked => marked.map_err(io::Error::from).at("mark", &temporary)?,
    }
    sync_folder(&temporary)?;
    rename_unsynced(&temporary, path)?;
    sync_folder(parent(path))
}

/// Removes a folder of [`create_own_folder`] if nothing is in it, and what a crash left of making it. A folder that is
/// not ours, holds something or has a file system mounted on it stays, and is no error.
pub fn remove_own_folder(path: &Path) -> Result<()> {
    remove_folder(&temporary_sibling(path))?;
    let is_marked = rustix::fs::getxattr(path, MARK, &mut [0_u8; 0]).is_ok();
    if is_marked && !is_mount_point(path)? && path.read_dir().at("list", path)?.next().is_none() {
        remove_folder(path)?;
    }
    Ok(())
}

/// Whether a file system, or a folder of one, is mounted there.
fn is_mount_point(path: &Path) -> Result<bool> {
    let looked = rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS);
    let looked = looked.map_err(io::Error::from).at("look at", path)?;
    Ok(looked.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}
