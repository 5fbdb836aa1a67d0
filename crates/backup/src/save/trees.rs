//! Trees of a new backup. The archiver stores streams in reading order, below one root. The trees that name them are
//! sorted, and have sizes that were unknown when the streams began.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use jiff::Timestamp;
use rustic_core::TreeId;
use rustic_core::repofile::{BlobType, Metadata, Node, NodeType, Tree};

use super::feed;
use crate::backup::Stream;
use crate::error::{BackupError, Result};
use crate::folder::View;
use crate::library::{self, IndexedRepository};
use crate::names::StreamName;
use crate::repository::Repository;
use crate::sealed::{self, SealedBlob};

/// Permission bits of a restored stream: backups hold secrets.
const MODE: u32 = 0o600;

/// Permission bits of a restored folder.
const FOLDER_MODE: u32 = 0o755;

/// Stores the trees of these streams, which the archiver stored below `read` under their indices, and returns their
/// root. Fails if a byte of a stream is missing: the library only logs the failure of one stream among several.
pub(super) fn of_streams(
    repository: &Repository,
    view: View,
    read: TreeId,
    streams: &[(usize, Stream)],
    time: Timestamp,
) -> Result<TreeId> {
    let (folder, indexed) = repository.indexed_in(view)?;
    let mut naming = TreeWriter { repository, indexed, time, trees: Vec::new() };
    let mut files = naming.files(read, streams)?;
    files.sort_by_key(|(name, _)| *name);
    let root = naming.tree(&files, 0)?;
    if !naming.trees.is_empty() {
        sealed::store_pack(&folder, repository.master(), &naming.trees)?;
    }
    Ok(root)
}

struct TreeWriter<'a> {
    repository: &'a Repository,
    indexed: IndexedRepository,
    time: Timestamp,
    trees: Vec<SealedBlob>,
}

impl TreeWriter<'_> {
    /// Returns each stream with its file, named after the last part of the stream's name.
    fn files<'s>(&self, read: TreeId, streams: &'s [(usize, Stream)]) -> Result<Vec<(&'s StreamName, Node)>> {
        let root = self.repository.folder();
        let tree = self.indexed.get_tree(&read);
        let tree = tree.map_err(|error| library::damage(root, "a tree that was just stored is lost", error))?;
        let mut stored: BTreeMap<String, Node> = tree.nodes.into_iter().map(|node| (node.name.clone(), node)).collect();
        let file = |(index, stream): &'s (usize, Stream)| {
            let node = stored.remove(&feed::place(*index)).ok_or_else(|| stored_size_error(stream, 0))?;
            match self.size_of(&node)? {
                size if size == stream.size_bytes => Ok((&stream.name, self.file(stream, node))),
                size => Err(stored_size_error(stream, size)),
            }
        };
        streams.iter().map(file).collect()
    }

    fn file(&self, stream: &Stream, node: Node) -> Node {
        let meta = Metadata { mode: Some(MODE), mtime: Some(self.time), size: stream.size_bytes, ..node.meta };
        Node { name: stream.name.parts().last().unwrap_or_default().to_owned(), meta, ..node }
    }

    /// Stores the tree of files whose names share the first `depth` parts.
    fn tree(&mut self, files: &[(&StreamName, Node)], depth: usize) -> Result<TreeId> {
        let part = |(name, _): &(&StreamName, Node)| name.parts().nth(depth).unwrap_or_default().to_owned();
        let mut nodes = Vec::new();
        for group in files.chunk_by(|one, other| part(one) == part(other)) {
            let (name, file) = &group[0];
            if name.parts().nth(depth + 1).is_none() {
                nodes.push(file.clone());
                continue;
            }
            let meta = Metadata { mode: Some(FOLDER_MODE), mtime: Some(self.time), ..Metadata::default() };
            let mut folder = Node::new_node(OsStr::new(&part(&group[0])), NodeType::Dir, meta);
            folder.subtree = Some(self.tree(group, depth + 1)?);
            nodes.push(folder);
        }
        let (bytes, id) = Tree { nodes }.serialize().map_err(|error| BackupError::Bug(error.to_string()))?;
        if self.indexed.get_index_entry(&id).is_err() && !self.trees.iter().any(|known| known.id == *id) {
            self.trees.push(SealedBlob::seal(self.repository.master(), BlobType::Tree, *id, &bytes)?);
        }
        Ok(id)
    }

    /// Returns the total bytes of all blobs of a file.
    fn size_of(&self, node: &Node) -> Result<u64> {
        let lost = |error| library::damage(self.repository.folder(), "a blob that was just stored is lost", error);
        node.content.iter().flatten().try_fold(0, |size, id| {
            let entry = self.indexed.get_index_entry(id).map_err(lost)?;
            Ok(size + u64::from(entry.data_length()))
        })
    }
}

fn stored_size_error(stream: &Stream, stored: u64) -> BackupError {
    let Stream { name, size_bytes, .. } = stream;
    BackupError::Bug(format!("{size_bytes} bytes of the stream {name} were read, and {stored} stored"))
}
