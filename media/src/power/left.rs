//! What a power cut leaves of a folder.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Fate;

/// What a power cut leaves.
#[derive(Debug)]
pub struct Left {
    /// How many acts were done before it.
    pub edge: usize,
    /// What became of unsynced data.
    pub fate: Fate,
    /// What the last act before it was done to, relative to the folder; none where there was none.
    pub after: Option<PathBuf>,
    pub(super) tree: Tree,
}

/// What is there by path.
pub(super) type Tree = BTreeMap<PathBuf, Entry>;

#[derive(Debug, Hash)]
pub(super) enum Entry {
    Folder,
    /// A file with its permission bits, and a number that its names share where it has several.
    File {
        bytes: Rc<[u8]>,
        mode: u32,
        shared: Option<usize>,
    },
    /// A symbolic link with its target.
    Link(PathBuf),
}

impl Left {
    /// Makes it in this folder, which must not exist.
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

    /// The bytes of a file in it.
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
