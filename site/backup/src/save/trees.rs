//! The trees of a new backup, with the sizes that were not known when its streams began.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rustic_core::TreeId;
use rustic_core::repofile::Node;

use super::sealed::{self, Trees};
use crate::backup::Stream;
use crate::error::{BackupError, Result};
use crate::library::{self, Indexed};
use crate::repository::Repository;

/// Permission bits of a restored stream: backups hold secrets.
const MODE: u32 = 0o600;

/// Stores the trees below `root` once more, with the size, time and mode of each stream, and returns the new root. It
/// refuses trees in which a byte of a stream is missing: the library only logs the failure of one stream among several.
pub(super) fn with_sizes(repository: &Repository, root: TreeId, streams: &[Stream], time: Timestamp) -> Result<TreeId> {
    let (folder, indexed) = repository.indexed()?;
    let mut rewriting = Rewriting { repository, indexed, time, sizes: BTreeMap::new(), trees: Trees::new() };
    let root = rewriting.rewrite(root, "")?;
    for stream in streams {
        let stored = rewriting.sizes.get(stream.name.as_str()).copied();
        if stored != Some(stream.size_bytes) {
            let (name, read) = (&stream.name, stream.size_bytes);
            let lost = format!("{read} bytes of the stream {name} were read, and {} stored", stored.unwrap_or(0));
            return Err(BackupError::Bug(lost));
        }
    }
    if !rewriting.trees.is_empty() {
        sealed::store_trees(&folder, repository.master(), &rewriting.trees)?;
    }
    Ok(root)
}

struct Rewriting<'a> {
    repository: &'a Repository,
    indexed: Indexed,
    time: Timestamp,
    sizes: BTreeMap<String, u64>,
    trees: Trees,
}

impl Rewriting<'_> {
    fn rewrite(&mut self, id: TreeId, folder: &str) -> Result<TreeId> {
        let root = self.repository.folder();
        let read = self.indexed.get_tree(&id);
        let mut tree = read.map_err(|error| library::damage(root, "a tree that was just stored is lost", error))?;
        for node in &mut tree.nodes {
            let path = format!("{folder}{}", node.name);
            node.meta.mtime = Some(self.time);
            if let Some(subtree) = node.subtree {
                node.subtree = Some(self.rewrite(subtree, &format!("{path}/"))?);
            } else {
                node.meta.size = self.size_of(node)?;
                node.meta.mode = Some(MODE);
                self.sizes.insert(path, node.meta.size);
            }
        }
        let (bytes, new) = tree.serialize().map_err(|error| BackupError::Bug(error.to_string()))?;
        if self.indexed.get_index_entry(&new).is_err() && !self.trees.iter().any(|(id, _)| *id == *new) {
            self.trees.push((*new, bytes));
        }
        Ok(new)
    }

    /// The bytes of all blobs of a file.
    fn size_of(&self, node: &Node) -> Result<u64> {
        let lost = |error| library::damage(self.repository.folder(), "a blob that was just stored is lost", error);
        node.content.iter().flatten().try_fold(0, |size, id| {
            let entry = self.indexed.get_index_entry(id).map_err(lost)?;
            Ok(size + u64::from(entry.data_length()))
        })
    }
}
