//! For tests: a disk that forgets what was not synced. It records the durable changes below a folder, and makes the folder as a power cut
//! between any two of them may leave it.
//!
//! Of names that were not synced, any subset may survive, in any order: each name has its durable state or any that it had since. A rename
//! alone is one act: its old name is not lost before its new one is there. Bytes that were not synced are independent of all names, those
//! of a renamed file included. A tree is removed name by name.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

mod disk;
mod left;
mod names;
#[cfg(test)]
mod tests;

use crate::durable::trace;
pub use crate::durable::trace::Act;
use disk::{Disk, inside};
pub use left::Left;
use left::Tree;

/// The fate of what was not synced. All of them are legal for a real disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is gone.
    Lost,
    /// It happens to be there.
    Kept,
    /// Names are there, and half of the bytes.
    Torn,
    /// Names are there, and files have their lengths, but zeros instead of the second half of the bytes.
    Zeroed,
    /// Some names are there, and the bytes of some files, as this number decides.
    Mixed(u64),
    /// One of the subsets of names that may be left, by its number, with the bytes of some files. Every edge is cut with these, too: with
    /// all of them where they are few, otherwise with some.
    Subset(u64),
}

impl Fate {
    /// A number that depends on this fate and this matter alone.
    fn draw(self, what: impl Hash) -> u64 {
        let seed = match self {
            Self::Lost | Self::Kept | Self::Torn | Self::Zeroed => 0,
            Self::Mixed(seed) | Self::Subset(seed) => seed,
        };
        let mut hasher = DefaultHasher::new();
        (seed, what).hash(&mut hasher);
        hasher.finish()
    }

    fn has(self, what: impl Hash) -> bool {
        match self {
            Self::Lost => false,
            Self::Kept | Self::Torn | Self::Zeroed => true,
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
