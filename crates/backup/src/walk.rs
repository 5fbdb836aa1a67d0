//! Files of a snapshot, read from its trees.

use rustic_core::repofile::Node;
use rustic_core::{DataId, RusticError, TreeId};

use crate::backup::Stream;
use crate::library::IndexedRepository;
use crate::names::StreamName;

/// A file of a snapshot.
#[derive(Debug)]
pub(crate) struct TreeFile {
    pub name: StreamName,
    pub size_bytes: u64,
    pub content: Vec<DataId>,
}

impl TreeFile {
    /// Converts the file to a stream without a digest, which only the snapshot could have stated.
    pub(crate) fn into_stream(self) -> Stream {
        Stream { name: self.name, size_bytes: self.size_bytes, sha256: None }
    }
}

/// A tree that could not be read.
#[derive(Debug)]
pub(crate) struct UnreadTree {
    pub tree: TreeId,
    pub error: Box<RusticError>,
}

/// Returns every file below this tree, sorted by name, and the unreadable trees below it.
pub(crate) fn files(indexed: &IndexedRepository, root: TreeId) -> (Vec<TreeFile>, Vec<UnreadTree>) {
    let (mut files, mut unread) = (Vec::new(), Vec::new());
    let mut open = vec![(String::new(), root)];
    while let Some((folder, id)) = open.pop() {
        let tree = match indexed.get_tree(&id) {
            Ok(tree) => tree,
            Err(error) => {
                unread.push(UnreadTree { tree: id, error });
                continue;
            }
        };
        for node in tree.nodes {
            let path = format!("{folder}{}", node.name);
            match node.subtree {
                Some(subtree) => open.push((format!("{path}/"), subtree)),
                None => files.extend(file(&path, node)),
            }
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    (files, unread)
}

/// Returns a file whose name is valid for a stream; Landfall writes no others.
fn file(path: &str, node: Node) -> Option<TreeFile> {
    let name = path.parse().ok().filter(|_| node.is_file())?;
    Some(TreeFile { name, size_bytes: node.meta.size, content: node.content.unwrap_or_default() })
}
