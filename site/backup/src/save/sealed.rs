//! Writing trees as restic's format prescribes: sealed in a pack, and the pack in an index file.
//!
//! <https://github.com/restic/restic/blob/v0.18.0/doc/design.rst>: a pack is its sealed blobs, a sealed header and the
//! header's length. The header has one entry for each blob: its type, its sealed length and its id. Sealed is a nonce, the
//! ciphertext of AES-256 in counter mode, and its Poly1305-AES authentication.

use rustic_core::{FileType, Id};
use serde::Serialize;

use crate::error::{BackupError, Result};
use crate::folder::Folder;
use crate::master::Master;
use crate::whole;

/// The type of a tree that is not compressed, in a pack's header.
const TREE: u8 = 1;

/// Trees to store, by id.
pub(super) type Trees = Vec<(Id, Vec<u8>)>;

#[derive(Serialize)]
struct IndexFile {
    packs: [IndexPack; 1],
}

#[derive(Serialize)]
struct IndexPack {
    id: Id,
    blobs: Vec<IndexBlob>,
}

#[derive(Serialize)]
struct IndexBlob {
    id: Id,
    #[serde(rename = "type")]
    kind: &'static str,
    offset: usize,
    length: usize,
}

/// Stores trees in a pack of their own, and its index file. Both are on the disk when this returns.
pub(super) fn store_trees(folder: &Folder, master: &Master, trees: &Trees) -> Result<()> {
    let (mut pack, mut header, mut blobs) = (Vec::new(), Vec::new(), Vec::new());
    for (id, bytes) in trees {
        let sealed = master.seal(bytes)?;
        header.push(TREE);
        header.extend(length(&sealed)?.to_le_bytes());
        header.extend(hex::decode(id.to_hex().as_str()).map_err(|error| BackupError::Bug(error.to_string()))?);
        blobs.push(IndexBlob { id: *id, kind: "tree", offset: pack.len(), length: sealed.len() });
        pack.extend(sealed);
    }
    let header = master.seal(&header)?;
    pack.extend(&header);
    pack.extend(length(&header)?.to_le_bytes());
    let id = whole::digest_of_bytes(&pack);
    folder.store(FileType::Pack, &id, &pack)?;
    let index = serde_json::to_vec(&IndexFile { packs: [IndexPack { id, blobs }] });
    let index = master.seal(&index.map_err(|error| BackupError::Bug(error.to_string()))?)?;
    folder.store(FileType::Index, &whole::digest_of_bytes(&index), &index)
}

fn length(bytes: &[u8]) -> Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| BackupError::Bug("the trees of a backup exceed 4 GiB".to_owned()))
}
