//! For tests: a disk that forgets unsynced data. It records the durable changes below a folder, and produces the states
//! in which a power cut between any two changes may leave the folder.
//!
//! Any subset of the unsynced names may survive, in any order: each name has its durable state or any later one. Only a
//! rename is atomic: its old name is not lost before its new one exists. Unsynced bytes are independent of all names,
//! including the bytes of a renamed file. A tree is removed name by name.

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
pub use left::PowerCutState;
use left::Tree;

/// The fate of unsynced data. A real disk may cause each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// All of it is lost.
    Lost,
    /// All of it survives.
    Kept,
    /// Names survive, and half of the bytes.
    Torn,
    /// Names and file lengths survive, but the second half of the bytes is zeros.
    Zeroed,
    /// Some names survive, and the bytes of some files, as this number determines.
    Mixed(u64),
    /// One of the possible subsets of names, by its number, with the bytes of some files. Every edge is also cut with
    /// these: with all subsets if these are few, otherwise with some.
    Subset(u64),
}

impl Fate {
    /// Returns a number that depends only on this fate and the given subject.
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
    /// Begins a recording. Everything that the folder now contains counts as durable.
    pub fn begin(root: &Path) -> io::Result<Self> {
        Ok(Self { root: root.to_owned(), before: Disk::of(root)?, acts: trace::begin(root) })
    }

    /// Ends the recording. Returns every different state that a power cut may leave before the first act, between two
    /// acts, or after the last one.
    pub fn end(self, fates: &[Fate]) -> Vec<PowerCutState> {
        self.end_at(fates, |_, _| true)
    }

    /// Like [`Recording::end`], only for chosen edges. `is_chosen` receives the number of acts before the edge and the
    /// path of the last one, relative to the folder.
    pub fn end_at(self, fates: &[Fate], is_chosen: impl Fn(usize, Option<&Path>) -> bool) -> Vec<PowerCutState> {
        let acts = trace::end(&self.acts);
        let (mut disk, mut known, mut found) = (self.before, BTreeSet::new(), Vec::new());
        let mut after: Option<PathBuf> = None;
        for edge in 0..=acts.len() {
            if is_chosen(edge, after.as_deref()) {
                for fate in fates.iter().copied().chain(disk.subsets()) {
                    let tree = disk.tree_after(fate);
                    if known.insert(hash_of(&tree)) {
                        found.push(PowerCutState { edge, fate, after: after.clone(), tree });
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
