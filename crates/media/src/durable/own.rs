//! Folders that Landfall may remove, marked when they are created. A folder that an administrator created, or a disk
//! mounted there, is never removed, whatever happens to its contents.
//!
//! The mark is an extended attribute of the folder itself. It exists exactly as long as the folder, and needs no file
//! that could outlive the folder or be lost earlier. On a filesystem without such attributes, the folder stays, empty.

use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, XattrFlags};
use rustix::io::Errno;

use super::{
    PathContext, Result, create_folder, parent, remove_folder, rename_unsynced, sync_folder, temporary_sibling,
};

/// Extended attribute that marks Landfall's folders.
const MARK: &str = "user.landfall.made";

/// Creates a folder with mode 0755, marked as Landfall's, and all its missing parents. An existing folder stays as it
/// is; an unmarked one gets no mark.
pub fn create_own_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return create_folder(path);
    }
    // The folder appears with its mark or not at all.
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

/// Removes a folder of [`create_own_folder`] if it is empty, and leftovers of its interrupted creation. A folder that
/// is not Landfall's, is not empty or has a filesystem mounted on it stays; that is not an error.
pub fn remove_own_folder(path: &Path) -> Result<()> {
    remove_folder(&temporary_sibling(path))?;
    let is_marked = rustix::fs::getxattr(path, MARK, &mut [0_u8; 0]).is_ok();
    if is_marked && !is_mount_point(path)? && path.read_dir().at("list", path)?.next().is_none() {
        remove_folder(path)?;
    }
    Ok(())
}

/// Returns true if a filesystem, or a folder of one, is mounted there.
fn is_mount_point(path: &Path) -> Result<bool> {
    let looked = rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS);
    let looked = looked.map_err(io::Error::from).at("look at", path)?;
    Ok(looked.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}
