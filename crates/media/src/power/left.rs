//! The contents of a folder after a power cut.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Fate;

/// A state of the folder after a power cut.
#[derive(Debug)]
pub struct PowerCutState {
    /// Number of acts done before the power cut.
    pub edge: usize,
    /// Fate of the unsynced data.
    pub fate: Fate,
    /// Path of the last act before the power cut, relative to the folder; `None` if there was no act.
    pub after: Option<PathBuf>,
    pub(super) tree: Tree,
}

/// Entries by path.
pub(super) type Tree = BTreeMap<PathBuf, Entry>;

#[derive(Debug, Hash)]
pub(super) enum Entry {
    Folder,
    /// A file with its permission bits. Names of one file share the number in `shared`.
    File {
        bytes: Rc<[u8]>,
        mode: u32,
        shared: Option<usize>,
    },
    /// A symbolic link with its target.
    Link(PathBuf),
}

impl PowerCutState {
    /// Writes this state into the folder, which must not yet exist.
    pub fn place(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let mut files: BTreeMap<usize, PathBuf> = BTreeMap::new();
        for (path, entry) in &self.tree {
            let path = folder.join(path);
            match entry {
                Entry::Folder => std::fs::create_dir(path)?,
                Entry::Link(target) => std::os::unix::fs::symlink(target, path)?,
                Entry::File { bytes, mode, shared } => {
                    if let Some(known) = shared.and_then(|number| files.get(&number)) {
                        std::fs::hard_link(known, path)?;
                    } else {
                        place_file(&path, bytes, *mode)?;
                        files.extend(shared.map(|number| (number, path)));
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns the bytes of a file in this state.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        match self.tree.get(Path::new(path))? {
            Entry::File { bytes, .. } => Some(&bytes[..]),
            Entry::Folder | Entry::Link(_) => None,
        }
    }
}

fn place_file(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(mode))
}
