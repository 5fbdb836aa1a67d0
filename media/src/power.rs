//! For tests: a disk that forgets what was not synced. It records the durable changes below a folder, and makes the folder as a power cut
//! between any two of them may leave it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use crate::durable::trace;
pub use crate::durable::trace::Act;

/// The fate of what was not synced. All of them are legal for a real disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is gone.
    Lost,
    /// It happens to be there.
    Kept,
    /// Names are there, and half of the bytes.
    Torn,
    /// The names in some folders are there, and the bytes of some files, as this number decides.
    Mixed(u64),
}

impl Fate {
    fn has(self, what: impl Hash) -> bool {
        match self {
            Self::Lost => false,
            Self::Kept | Self::Torn => true,
            Self::Mixed(seed) => {
                let mut hasher = DefaultHasher::new();
                (seed, what).hash(&mut hasher);
                hasher.finish().is_multiple_of(2)
            }
        }
    }
}

/// A recording of durable changes below a folder.
pub struct Recording {
    root: PathBuf,
    before: Disk,
    acts: trace::Acts,
}

impl Recording {
    /// Begins one. Everything that is in the folder now counts as durable.
    pub fn begin(root: &Path) -> io::Result<Self> {
        Ok(Self { root: root.to_owned(), before: Disk::of(root)?, acts: trace::begin(root) })
    }

    /// Ends it. Returns every different state that a power cut at any edge may leave: before the first act, between two, and after the
    /// last one.
    pub fn end(self, fates: &[Fate]) -> Vec<Left> {
        let acts = trace::end(&self.acts);
        let (mut disk, mut known, mut found) = (self.before, BTreeSet::new(), Vec::new());
        for edge in 0..=acts.len() {
            for fate in fates {
                let tree = disk.left(*fate);
                if known.insert(tree.clone()) {
                    found.push(Left { edge, fate: *fate, tree });
                }
            }
            if let Some((path, act)) = acts.get(edge) {
                disk.apply(&inside(&self.root, path), act, &self.root);
            }
        }
        found
    }
}

/// What a power cut leaves.
#[derive(Debug)]
pub struct Left {
    /// How many acts were done before it.
    pub edge: usize,
    /// What became of unsynced data.
    pub fate: Fate,
    tree: Tree,
}

/// Paths with the bytes of files, and none for folders.
type Tree = BTreeMap<PathBuf, Option<Rc<[u8]>>>;

impl Left {
    /// Makes it in this folder, which must not exist.
    pub fn place(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        for (path, bytes) in &self.tree {
            let path = folder.join(path);
            match bytes {
                None => std::fs::create_dir(path)?,
                Some(bytes) => {
                    std::fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)?;
                }
            }
        }
        Ok(())
    }

    /// The bytes of a file in it.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.tree.get(Path::new(path))?.as_deref()
    }
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(root).unwrap_or(path).to_owned()
}

/// What is there, and what would be there after a power cut.
#[derive(Debug, Clone)]
struct Disk {
    nodes: Vec<Node>,
    /// By folder and name.
    current: Names,
    durable: Names,
}

type Names = BTreeMap<(usize, OsString), usize>;

#[derive(Debug, Clone)]
enum Node {
    Folder,
    File { current: Rc<[u8]>, durable: Rc<[u8]> },
}

/// The node of the folder itself.
const ROOT: usize = 0;

impl Disk {
    fn of(root: &Path) -> io::Result<Self> {
        let mut disk = Self { nodes: vec![Node::Folder], current: Names::new(), durable: Names::new() };
        disk.read(root, ROOT)?;
        disk.durable = disk.current.clone();
        Ok(disk)
    }

    fn read(&mut self, folder: &Path, node: usize) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let is_folder = entry.file_type()?.is_dir();
            let bytes: Rc<[u8]> = if is_folder { Rc::default() } else { std::fs::read(entry.path())?.into() };
            let file = Node::File { current: Rc::clone(&bytes), durable: bytes };
            let child = self.add((node, entry.file_name()), if is_folder { Node::Folder } else { file });
            if is_folder {
                self.read(&entry.path(), child)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, name: (usize, OsString), node: Node) -> usize {
        self.nodes.push(node);
        self.current.insert(name, self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn find(&self, path: &Path) -> Option<usize> {
        let names = path.components().filter(|component| *component != Component::CurDir);
        names
            .into_iter()
            .try_fold(ROOT, |folder, name| self.current.get(&(folder, name.as_os_str().to_owned())).copied())
    }

    /// Folder and name of a path whose folder exists.
    fn name(&self, path: &Path) -> (usize, OsString) {
        let folder = self.find(path.parent().unwrap_or(Path::new(""))).unwrap_or(ROOT);
        (folder, path.file_name().unwrap_or_default().to_owned())
    }

    fn apply(&mut self, path: &Path, act: &Act, root: &Path) {
        match act {
            Act::Create => {
                let name = self.name(path);
                self.add(name, Node::File { current: Rc::default(), durable: Rc::default() });
            }
            Act::MakeFolder if self.find(path).is_none() => {
                let name = self.name(path);
                self.add(name, Node::Folder);
            }
            Act::Write(bytes) | Act::SyncFile(bytes) => {
                let found = self.find(path);
                if let Some(Node::File { current, durable }) = found.and_then(|node| self.nodes.get_mut(node)) {
                    *current = bytes.clone().into();
                    if matches!(act, Act::SyncFile(_)) {
                        *durable = Rc::clone(current);
                    }
                }
            }
            Act::Rename(to) => {
                let (from, to) = (self.name(path), self.name(&inside(root, to)));
                if let Some(node) = self.current.remove(&from) {
                    self.current.insert(to, node);
                }
            }
            Act::Remove => {
                self.current.remove(&self.name(path));
            }
            Act::SyncFolder => {
                if let Some(folder) = self.find(path) {
                    self.durable.retain(|name, _| name.0 != folder);
                    let names = self.current.iter().filter(|(name, _)| name.0 == folder);
                    self.durable.extend(names.map(|(name, node)| (name.clone(), *node)));
                }
            }
            Act::SyncAll => {
                self.durable = self.current.clone();
                for node in &mut self.nodes {
                    if let Node::File { current, durable } = node {
                        *durable = Rc::clone(current);
                    }
                }
            }
            Act::MakeFolder => {}
        }
    }

    fn left(&self, fate: Fate) -> Tree {
        let mut tree = Tree::new();
        let mut folders = vec![(ROOT, PathBuf::new())];
        while let Some((folder, path)) = folders.pop() {
            let names = if fate.has((&path, "names")) { &self.current } else { &self.durable };
            for ((_, name), node) in names.range((folder, OsString::new())..).take_while(|(name, _)| name.0 == folder) {
                let path = path.join(name);
                match &self.nodes[*node] {
                    Node::Folder => {
                        tree.insert(path.clone(), None);
                        folders.push((*node, path));
                    }
                    Node::File { current, durable } if current == durable => {
                        tree.insert(path, Some(Rc::clone(durable)));
                    }
                    Node::File { current, .. } if fate == Fate::Torn => {
                        tree.insert(path, Some(current[..current.len() / 2].into()));
                    }
                    Node::File { current, durable } => {
                        let bytes = if fate.has((&path, "bytes")) { current } else { durable };
                        tree.insert(path, Some(Rc::clone(bytes)));
                    }
                }
            }
        }
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable;

    const FATES: [Fate; 5] = [Fate::Lost, Fate::Kept, Fate::Torn, Fate::Mixed(1), Fate::Mixed(2)];

    fn after(change: impl FnOnce(&Path)) -> Vec<Left> {
        let root = tempfile::tempdir().unwrap();
        durable::write_file(&root.path().join("file"), b"before", 0o600).unwrap();
        let recording = Recording::begin(root.path()).unwrap();
        change(root.path());
        recording.end(&FATES)
    }

    /// The last state is what is surely there once everything was done.
    fn surely(states: &[Left]) -> Vec<&Left> {
        let last = states.iter().map(|left| left.edge).max().unwrap();
        states.iter().filter(|left| left.edge == last).collect()
    }

    #[test]
    fn a_durable_write_leaves_one_form_of_its_file_or_the_other() {
        let states = after(|root| durable::write_file(&root.join("file"), b"after it", 0o600).unwrap());
        assert!(states.len() > 3, "{states:?}");
        for left in &states {
            let found = left.file("file").unwrap();
            assert!(found == b"before" || found == b"after it", "{left:?}");
        }
        assert!(states.iter().any(|left| left.file("file") == Some(b"before")));
        assert!(surely(&states).iter().all(|left| left.file("file") == Some(b"after it")));
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("left");
        surely(&states)[0].place(&folder).unwrap();
        assert_eq!(std::fs::read(folder.join("file")).unwrap(), b"after it");
    }

    #[test]
    fn what_is_not_synced_is_lost_or_torn() {
        let states = after(|root| {
            let made = durable::create_file(&root.join("new"), 0o600).unwrap();
            (&made).write_all(b"bytes").unwrap();
            durable::sync_file(&made, &root.join("new")).unwrap();
        });
        // The bytes are durable, and the name is not.
        assert!(states.iter().any(|left| left.edge == 2 && left.file("new") == Some(b"bytes")));
        let states = after(|root| {
            durable::write_file(&root.join("new"), b"bytes", 0o600).unwrap();
            durable::remove_file(&root.join("file")).unwrap();
            durable::create_folder(&root.join("folder/below")).unwrap();
        });
        let found = |file: &str, bytes: Option<&[u8]>| states.iter().any(|left| left.file(file) == bytes);
        assert!(found(".new.landfall-temporary", Some(b"by")), "a torn write");
        assert!(found("file", None) && found("file", Some(b"before")) && found("new", None));
        assert!(surely(&states).iter().all(|left| left.file("file").is_none() && left.file("new") == Some(b"bytes")));
        assert!(surely(&states).iter().all(|left| left.tree.contains_key(Path::new("folder/below"))));
    }
}
