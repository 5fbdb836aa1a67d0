//! A simulated disk: its current contents, and its contents after a power cut.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::left::{Entry, Tree};
use super::{Act, Fate};

/// Returns the path relative to the folder.
pub(super) fn inside(root: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(root).unwrap_or(path).to_owned()
}

/// The current contents, and the contents after a power cut.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    nodes: Vec<Node>,
    /// Current names, by folder and name.
    pub(super) current: Names,
    pub(super) durable: Names,
    /// States of each name since it was last durable, oldest first.
    pub(super) pending: BTreeMap<Name, Vec<NameState>>,
    pub(super) renames: Vec<Rename>,
    changes: usize,
}

/// A name in a folder.
pub(super) type Name = (usize, OsString);
pub(super) type Names = BTreeMap<Name, usize>;

/// The meaning of a name after one change.
#[derive(Debug, Clone, Copy)]
pub(super) struct NameState {
    /// Number of the change.
    pub(super) change: usize,
    pub(super) node: Option<usize>,
}

/// The two names of one rename.
#[derive(Debug, Clone)]
pub(super) struct Rename {
    pub(super) change: usize,
    pub(super) from: Name,
    pub(super) to: Name,
}

#[derive(Debug, Clone)]
enum Node {
    Folder,
    /// Changes of permission bits count as durable.
    File {
        current: Rc<[u8]>,
        durable: Rc<[u8]>,
        mode: u32,
    },
    /// A symbolic link with its target.
    Link(PathBuf),
}

impl Node {
    fn empty(mode: u32) -> Self {
        Self::File { current: Rc::default(), durable: Rc::default(), mode }
    }

    /// Applies an act to the file itself.
    fn apply(&mut self, act: &Act) {
        let Self::File { current, durable, mode } = self else { return };
        match act {
            Act::Mode(bits) => *mode = *bits,
            Act::Write(bytes) => *current = bytes.clone().into(),
            Act::SyncFile(bytes) => {
                *current = bytes.clone().into();
                *durable = Rc::clone(current);
            }
            _ => {}
        }
    }
}

/// Returns the number of bytes that a torn write leaves: the unchanged durable bytes (if the file was only appended to)
/// plus half of the bytes written since the last sync.
fn torn_length(current: &[u8], durable: &[u8]) -> usize {
    let known = if current.starts_with(durable) { durable.len() } else { 0 };
    known + (current.len() - known) / 2
}

/// Returns the contents of a file that ends where a write was torn.
pub(super) fn torn_contents(current: &[u8], durable: &[u8]) -> Rc<[u8]> {
    current[..torn_length(current, durable)].into()
}

/// Returns the contents of a file that has zeros from the torn offset on.
pub(super) fn zeroed_contents(current: &[u8], durable: &[u8]) -> Rc<[u8]> {
    let mut bytes = current.to_vec();
    bytes[torn_length(current, durable)..].fill(0);
    bytes.into()
}

/// The node of the folder itself.
pub(super) const ROOT: usize = 0;

impl Disk {
    pub(super) fn of(root: &Path) -> io::Result<Self> {
        let mut disk = Self {
            nodes: vec![Node::Folder],
            current: Names::new(),
            durable: Names::new(),
            pending: BTreeMap::new(),
            renames: Vec::new(),
            changes: 0,
        };
        disk.read(root, ROOT, &mut BTreeMap::new())?;
        disk.durable = disk.current.clone();
        disk.pending.clear();
        Ok(disk)
    }

    /// `files` holds the files read so far, by device and inode, because a file may have several names.
    fn read(&mut self, folder: &Path, node: usize, files: &mut BTreeMap<(u64, u64), usize>) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let (name, path, metadata) = ((node, entry.file_name()), entry.path(), entry.metadata()?);
            let inode = (metadata.dev(), metadata.ino());
            if metadata.is_dir() {
                let child = self.add(name, Node::Folder);
                self.read(&path, child, files)?;
            } else if metadata.is_symlink() {
                self.add(name, Node::Link(std::fs::read_link(&path)?));
            } else if let Some(known) = files.get(&inode) {
                self.set(name, Some(*known));
            } else {
                let bytes: Rc<[u8]> = std::fs::read(&path)?.into();
                let file = Node::File { current: Rc::clone(&bytes), durable: bytes, mode: metadata.mode() & 0o7777 };
                files.insert(inode, self.add(name, file));
            }
        }
        Ok(())
    }

    fn add(&mut self, name: Name, node: Node) -> usize {
        self.nodes.push(node);
        self.set(name, Some(self.nodes.len() - 1));
        self.nodes.len() - 1
    }

    /// Changes the meaning of a name, as a part of the current change.
    fn set(&mut self, name: Name, node: Option<usize>) {
        match node {
            Some(node) => self.current.insert(name.clone(), node),
            None => self.current.remove(&name),
        };
        self.pending.entry(name).or_default().push(NameState { change: self.changes, node });
    }

    fn find(&self, path: &Path) -> Option<usize> {
        let names = path.components().filter(|component| *component != Component::CurDir);
        names
            .into_iter()
            .try_fold(ROOT, |folder, name| self.current.get(&(folder, name.as_os_str().to_owned())).copied())
    }

    /// Returns the folder and the name of a path whose folder exists.
    fn name(&self, path: &Path) -> Name {
        let folder = self.find(path.parent().unwrap_or(Path::new(""))).unwrap_or(ROOT);
        (folder, path.file_name().unwrap_or_default().to_owned())
    }

    /// Creates a folder and its missing parents.
    fn make_folders(&mut self, path: &Path) {
        let mut folder = PathBuf::new();
        for part in path.components() {
            folder.push(part);
            if self.find(&folder).is_none() {
                let name = self.name(&folder);
                self.add(name, Node::Folder);
            }
        }
    }

    pub(super) fn apply(&mut self, path: &Path, act: &Act, root: &Path) {
        self.changes += 1;
        match act {
            Act::Create(mode) => {
                let name = self.name(path);
                self.add(name, Node::empty(*mode));
            }
            Act::MakeFolder => self.make_folders(path),
            Act::Symlink(target) => {
                let name = self.name(path);
                self.add(name, Node::Link(target.clone()));
            }
            Act::Link(existing) => {
                if let Some(node) = self.find(&inside(root, existing)) {
                    let name = self.name(path);
                    self.set(name, Some(node));
                }
            }
            Act::Mode(_) | Act::Write(_) | Act::SyncFile(_) => {
                if let Some(node) = self.find(path).and_then(|node| self.nodes.get_mut(node)) {
                    node.apply(act);
                }
            }
            Act::Rename(to) => {
                let (from, to) = (self.name(path), self.name(&inside(root, to)));
                if let Some(node) = self.current.get(&from).copied() {
                    self.set(from.clone(), None);
                    self.set(to.clone(), Some(node));
                    self.renames.push(Rename { change: self.changes, from, to });
                }
            }
            Act::Remove => {
                let name = self.name(path);
                if self.current.contains_key(&name) {
                    self.set(name, None);
                }
            }
            Act::SyncFolder => {
                if let Some(folder) = self.find(path) {
                    self.durable.retain(|name, _| name.0 != folder);
                    let names = self.current.iter().filter(|(name, _)| name.0 == folder);
                    self.durable.extend(names.map(|(name, node)| (name.clone(), *node)));
                    self.pending.retain(|name, _| name.0 != folder);
                }
            }
            Act::SyncAll => {
                self.durable = self.current.clone();
                self.pending.clear();
                for node in &mut self.nodes {
                    if let Node::File { current, durable, .. } = node {
                        *durable = Rc::clone(current);
                    }
                }
            }
        }
    }

    pub(super) fn tree_after(&self, fate: Fate) -> Tree {
        let (mut tree, mut counts) = (Tree::new(), BTreeMap::<usize, usize>::new());
        let names = self.names_left(fate);
        let mut folders = vec![(ROOT, PathBuf::new())];
        while let Some((folder, path)) = folders.pop() {
            for ((_, name), node) in names.range((folder, OsString::new())..).take_while(|(name, _)| name.0 == folder) {
                let path = path.join(name);
                let entry = match &self.nodes[*node] {
                    Node::Folder => {
                        folders.push((*node, path.clone()));
                        Entry::Folder
                    }
                    Node::Link(target) => Entry::Link(target.clone()),
                    Node::File { current, durable, mode } => {
                        *counts.entry(*node).or_default() += 1;
                        let bytes = match fate {
                            _ if current == durable => Rc::clone(durable),
                            Fate::Torn => torn_contents(current, durable),
                            Fate::Zeroed => zeroed_contents(current, durable),
                            _ if fate.has((&path, "bytes")) => Rc::clone(current),
                            _ => Rc::clone(durable),
                        };
                        Entry::File { bytes, mode: *mode, shared: Some(*node) }
                    }
                };
                tree.insert(path, entry);
            }
        }
        for entry in tree.values_mut() {
            if let Entry::File { shared, .. } = entry {
                *shared = shared.filter(|node| counts[node] > 1);
            }
        }
        tree
    }
}
