//! For tests: a disk that forgets what was not synced. It records the durable changes below a folder, and makes the folder as a power cut
//! between any two of them may leave it.
//!
//! Of names that were not synced, any subset may survive, in any order: each name has its durable state or any that it had since. A rename
//! alone is one act: its old name is not lost before its new one is there. Bytes that were not synced are independent of all names, those
//! of a renamed file included. A tree is removed name by name.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::Permissions;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
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
    /// Some names are there, and the bytes of some files, as this number decides.
    Mixed(u64),
    /// One of the subsets of names that may be left, by its number, with the bytes of some files. Every edge is cut with these, too: with
    /// all of them where they are few, otherwise with some.
    Subset(u64),
}

/// The most subsets at one edge that are all tried.
const SUBSETS: u64 = 24;

/// How many are tried where there are more.
const SAMPLES: u64 = 8;

impl Fate {
    /// A number that depends on this fate and this matter alone.
    fn draw(self, what: impl Hash) -> u64 {
        let seed = match self {
            Self::Lost | Self::Kept | Self::Torn => 0,
            Self::Mixed(seed) | Self::Subset(seed) => seed,
        };
        let mut hasher = DefaultHasher::new();
        (seed, what).hash(&mut hasher);
        hasher.finish()
    }

    fn has(self, what: impl Hash) -> bool {
        match self {
            Self::Lost => false,
            Self::Kept | Self::Torn => true,
            Self::Mixed(_) | Self::Subset(_) => self.draw(what).is_multiple_of(2),
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
        self.end_at(fates, |_, _| true)
    }

    /// The same for chosen edges alone. Each is asked for by how many acts were done before it, and by what the last one was done to,
    /// relative to the folder.
    pub fn end_at(self, fates: &[Fate], is_chosen: impl Fn(usize, Option<&Path>) -> bool) -> Vec<Left> {
        let acts = trace::end(&self.acts);
        let (mut disk, mut known, mut found) = (self.before, BTreeSet::new(), Vec::new());
        let mut after: Option<PathBuf> = None;
        for edge in 0..=acts.len() {
            if is_chosen(edge, after.as_deref()) {
                for fate in fates.iter().copied().chain(disk.subsets()) {
                    let tree = disk.left(fate);
                    if known.insert(hash_of(&tree)) {
                        found.push(Left { edge, fate, after: after.clone(), tree });
                    }
                }
            }
            if let Some((path, act)) = acts.get(edge) {
                let path = inside(&self.root, path);
                disk.apply(&path, act, &self.root);
                after = Some(path);
            }
        }
        found
    }
}

fn hash_of(tree: &Tree) -> u64 {
    let mut hasher = DefaultHasher::new();
    tree.hash(&mut hasher);
    hasher.finish()
}

/// What a power cut leaves.
#[derive(Debug)]
pub struct Left {
    /// How many acts were done before it.
    pub edge: usize,
    /// What became of unsynced data.
    pub fate: Fate,
    /// What the last act before it was done to, relative to the folder; none where there was none.
    pub after: Option<PathBuf>,
    tree: Tree,
}

/// What is there by path.
type Tree = BTreeMap<PathBuf, Entry>;

#[derive(Debug, Hash)]
enum Entry {
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
    /// The states of each name since it was durable, oldest first.
    pending: BTreeMap<Name, Vec<NameState>>,
    renames: Vec<Rename>,
    changes: usize,
}

/// A name in a folder.
type Name = (usize, OsString);
type Names = BTreeMap<Name, usize>;

/// What a name meant after one change.
#[derive(Debug, Clone, Copy)]
struct NameState {
    /// Number of the change.
    change: usize,
    node: Option<usize>,
}

/// Two names that one change is about.
#[derive(Debug, Clone)]
struct Rename {
    change: usize,
    from: Name,
    to: Name,
}

#[derive(Debug, Clone)]
enum Node {
    Folder,
    /// Its permission bits count as durable.
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
}

/// Half of what was written since the last sync; what was there before is still there if it was only added to.
fn torn(current: &[u8], durable: &[u8]) -> Rc<[u8]> {
    let known = if current.starts_with(durable) { durable.len() } else { 0 };
    current[..known + (current.len() - known) / 2].into()
}

/// The node of the folder itself.
const ROOT: usize = 0;

impl Disk {
    fn of(root: &Path) -> io::Result<Self> {
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

    /// `files` are those that were read, by device and inode: a file may have several names.
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

    /// Changes what a name means, as a part of the present change.
    fn set(&mut self, name: Name, node: Option<usize>) {
        match node {
            Some(node) => self.current.insert(name.clone(), node),
            None => self.current.remove(&name),
        };
        self.pending.entry(name).or_default().push(NameState { change: self.changes, node });
    }

    /// The states that each name may be left in: how many there are, the durable one included. Names in folders that cannot be reached
    /// after a power cut do not count.
    fn open_names(&self) -> Vec<(&Name, usize)> {
        let mut folders = BTreeSet::from([ROOT]);
        loop {
            let durable = self.durable.iter().map(|((folder, _), node)| (*folder, *node));
            let states = self
                .pending
                .iter()
                .flat_map(|((folder, _), states)| states.iter().filter_map(|state| Some((*folder, state.node?))));
            let known = folders.len();
            let inside = durable.chain(states).filter(|(folder, _)| folders.contains(folder)).map(|(_, node)| node);
            folders.extend(inside.collect::<Vec<_>>());
            if folders.len() == known {
                break;
            }
        }
        let reachable = self.pending.iter().filter(|((folder, _), _)| folders.contains(folder));
        reachable.map(|(name, states)| (name, states.len() + 1)).collect()
    }

    /// The subsets of names that are tried at this edge.
    fn subsets(&self) -> impl Iterator<Item = Fate> + use<> {
        let all = self.open_names().iter().try_fold(1, |all: u64, (_, count)| all.checked_mul(*count as u64));
        let tried = all.filter(|all| *all <= SUBSETS).unwrap_or(SAMPLES);
        (0..if tried > 1 { tried } else { 0 }).map(Fate::Subset)
    }

    /// The names that a power cut leaves.
    fn names_left(&self, fate: Fate) -> Names {
        if fate == Fate::Lost {
            return self.durable.clone();
        }
        if matches!(fate, Fate::Kept | Fate::Torn) {
            return self.current.clone();
        }
        let open = self.open_names();
        let all = open.iter().try_fold(1, |all: u64, (_, count)| all.checked_mul(*count as u64));
        let is_counted = matches!(fate, Fate::Subset(_)) && all.is_some_and(|all| all <= SUBSETS);
        let (Fate::Subset(mut rest) | Fate::Mixed(mut rest)) = fate else { return self.current.clone() };
        let mut chosen = BTreeMap::new();
        for (name, count) in open {
            let drawn = if is_counted { rest } else { fate.draw(name) };
            chosen.insert(name.clone(), usize::try_from(drawn % count as u64).unwrap_or_default());
            rest /= count as u64;
        }
        self.keep_renames_whole(&mut chosen);
        let mut names = self.durable.clone();
        for (name, state) in chosen.iter().filter_map(|(name, state)| Some((name, state.checked_sub(1)?))) {
            match self.pending[name][state].node {
                Some(node) => names.insert(name.clone(), node),
                None => names.remove(name),
            };
        }
        names
    }

    /// A renamed file has either its old name or its new one, as a filesystem with a journal keeps it.
    fn keep_renames_whole(&self, chosen: &mut BTreeMap<Name, usize>) {
        let index = |name, change| {
            self.pending.get(name)?.iter().position(|state: &NameState| state.change == change).map(|at| at + 1)
        };
        let mut is_whole = false;
        // One rename may reach another of the same name; states only rise, so this ends.
        while !is_whole {
            is_whole = true;
            for Rename { change, from, to } in &self.renames {
                let (Some(left), Some(come)) = (index(from, *change), index(to, *change)) else { continue };
                let reaches = |name, state| chosen.get(name).is_some_and(|chosen| *chosen >= state);
                let (name, state) = match (reaches(from, left), reaches(to, come)) {
                    (true, false) => (to, come),
                    (false, true) => (from, left),
                    _ => continue,
                };
                chosen.insert(name.clone(), state);
                is_whole = false;
            }
        }
    }

    fn find(&self, path: &Path) -> Option<usize> {
        let names = path.components().filter(|component| *component != Component::CurDir);
        names
            .into_iter()
            .try_fold(ROOT, |folder, name| self.current.get(&(folder, name.as_os_str().to_owned())).copied())
    }

    /// Folder and name of a path whose folder exists.
    fn name(&self, path: &Path) -> Name {
        let folder = self.find(path.parent().unwrap_or(Path::new(""))).unwrap_or(ROOT);
        (folder, path.file_name().unwrap_or_default().to_owned())
    }

    /// Makes a folder and its missing parents.
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

    fn apply(&mut self, path: &Path, act: &Act, root: &Path) {
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
            Act::Mode(bits) => {
                let found = self.find(path);
                if let Some(Node::File { mode, .. }) = found.and_then(|node| self.nodes.get_mut(node)) {
                    *mode = *bits;
                }
            }
            Act::Write(bytes) | Act::SyncFile(bytes) => {
                let found = self.find(path);
                if let Some(Node::File { current, durable, .. }) = found.and_then(|node| self.nodes.get_mut(node)) {
                    *current = bytes.clone().into();
                    if matches!(act, Act::SyncFile(_)) {
                        *durable = Rc::clone(current);
                    }
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

    fn left(&self, fate: Fate) -> Tree {
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
                            Fate::Torn => torn(current, durable),
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

    #[test]
    fn names_of_one_file_and_links_are_left_as_they_were() {
        let states = after(|root| {
            durable::set_mode(&root.join("file"), 0o555).unwrap();
            durable::hard_link(&root.join("file"), &root.join("second")).unwrap();
            durable::symlink(Path::new("second"), &root.join("link")).unwrap();
        });
        for left in &states {
            assert!([None, Some(&b"before"[..])].contains(&left.file("second")), "{left:?}");
        }
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("left");
        surely(&states)[0].place(&folder).unwrap();
        let [file, second] = ["file", "second"].map(|name| std::fs::metadata(folder.join(name)).unwrap());
        assert_eq!((file.ino(), file.mode() & 0o777), (second.ino(), 0o555));
        assert_eq!(std::fs::read_link(folder.join("link")).unwrap(), Path::new("second"));
        // They are known as that in a recording that begins there.
        let recording = Recording::begin(&folder).unwrap();
        durable::remove_file(&folder.join("file")).unwrap();
        let states = recording.end(&FATES);
        assert!(surely(&states).iter().all(|left| left.file("file").is_none() && left.file("second").is_some()));
    }

    /// The names that are left, over all states.
    fn sets_of_names(states: &[Left]) -> BTreeSet<Vec<String>> {
        let names = |left: &Left| left.tree.keys().map(|path| path.display().to_string()).collect();
        states.iter().map(names).collect()
    }

    #[test]
    fn any_subset_of_unsynced_names_may_be_left() {
        let states = after(|root| {
            for name in ["a", "b", "c"] {
                drop(durable::create_file(&root.join(name), 0o600).unwrap());
            }
        });
        let found = sets_of_names(&states);
        assert_eq!(found.len(), 8, "{found:?}");
        assert!(found.contains(&vec!["c".to_owned(), "file".to_owned()]), "the last one alone: {found:?}");
    }

    #[test]
    fn a_tree_may_be_half_removed() {
        let root = tempfile::tempdir().unwrap();
        for name in ["tree/a", "tree/below/b", "tree/below/c"] {
            durable::create_folder(root.path().join(name).parent().unwrap()).unwrap();
            durable::write_file(&root.path().join(name), b"x", 0o600).unwrap();
        }
        let recording = Recording::begin(root.path()).unwrap();
        durable::remove_tree(&root.path().join("tree")).unwrap();
        let states = recording.end(&FATES);
        let found = sets_of_names(&states);
        let has = |names: &[&str]| found.iter().any(|found| found.iter().map(String::as_str).eq(names.iter().copied()));
        assert!(has(&["tree", "tree/a", "tree/below", "tree/below/c"]), "{found:?}");
        assert!(has(&["tree", "tree/below", "tree/below/b"]), "{found:?}");
        assert!(has(&["tree"]) && has(&[]), "{found:?}");
        assert!(surely(&states).iter().all(|left| left.tree.is_empty()));
    }

    /// The file is in one place or the other, and its bytes are what was synced of them.
    #[test]
    fn a_rename_loses_no_file_and_syncs_no_bytes() {
        let states = after(|root| {
            let made = durable::create_file(&root.join("new"), 0o600).unwrap();
            (&made).write_all(b"bytes").unwrap();
            durable::note_written(&root.join("new"));
            durable::sync_folder(root).unwrap();
            durable::rename(&root.join("new"), &root.join("renamed")).unwrap();
        });
        for left in states.iter().filter(|left| left.edge >= 3) {
            assert!(left.file("new").is_some() || left.file("renamed").is_some(), "{left:?}");
        }
        for bytes in [&b""[..], b"bytes"] {
            assert!(states.iter().any(|left| left.file("renamed") == Some(bytes)), "{bytes:?}");
        }
    }

    #[test]
    fn what_was_synced_before_an_append_is_not_torn() {
        assert_eq!(*torn(b"known and more", b"known"), *b"known and");
        assert_eq!(*torn(b"new", b""), *b"n");
        assert_eq!(*torn(b"other", b"known"), *b"ot");
    }
}
