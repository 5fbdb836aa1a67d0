//! Writer of blobs in restic's format: sealed in a pack, and the pack in an index file.
//!
//! <https://github.com/restic/restic/blob/v0.18.0/doc/design.rst>: a pack is its sealed blobs, a sealed header and the
//! header's length. The header has one entry for each blob: its type, its sealed length, its length before compression
//! if it is compressed, and its id. A sealed text is a nonce, the ciphertext of AES-256 in counter mode, and its
//! Poly1305-AES authentication.

use std::num::NonZeroU32;

use rustic_core::repofile::BlobType;
use rustic_core::{FileType, Id};
use serde::Serialize;

use crate::digest;
use crate::error::{BackupError, Result};
use crate::folder::Folder;
use crate::master::Master;

/// Value added to the type of a compressed blob in a pack's header.
const COMPRESSED: u8 = 2;

/// A blob as stored in a pack.
pub(crate) struct SealedBlob {
    pub kind: BlobType,
    pub id: Id,
    pub bytes: Vec<u8>,
    /// Bytes before compression; `None` if it is not compressed.
    pub uncompressed_length: Option<NonZeroU32>,
}

impl SealedBlob {
    /// Seals a blob without compression.
    pub(crate) fn seal(master: &Master, kind: BlobType, id: Id, plain: &[u8]) -> Result<Self> {
        Ok(Self { kind, id, bytes: master.seal(plain)?, uncompressed_length: None })
    }
}

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
    kind: BlobType,
    offset: usize,
    length: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    uncompressed_length: Option<NonZeroU32>,
}

/// Stores blobs of one type in their own pack, and its index file, both durably.
pub(crate) fn store_pack(folder: &Folder, master: &Master, sealed: &[SealedBlob]) -> Result<()> {
    let (mut pack, mut header, mut blobs) = (Vec::new(), Vec::new(), Vec::new());
    for SealedBlob { kind, id, bytes, uncompressed_length } in sealed {
        let of_kind = u8::from(*kind == BlobType::Tree);
        header.push(of_kind + if uncompressed_length.is_some() { COMPRESSED } else { 0 });
        header.extend(length(bytes)?.to_le_bytes());
        header.extend(uncompressed_length.iter().flat_map(|length| length.get().to_le_bytes()));
        header.extend(hex::decode(id.to_hex().as_str()).map_err(|error| BackupError::Bug(error.to_string()))?);
        let (kind, id, uncompressed_length) = (*kind, *id, *uncompressed_length);
        blobs.push(IndexBlob { id, kind, offset: pack.len(), length: bytes.len(), uncompressed_length });
        pack.extend(bytes);
    }
    let header = master.seal(&header)?;
    pack.extend(&header);
    pack.extend(length(&header)?.to_le_bytes());
    let id = digest::of_bytes(&pack);
    folder.store(FileType::Pack, &id, &pack)?;
    let index = serde_json::to_vec(&IndexFile { packs: [IndexPack { id, blobs }] });
    let index = master.seal(&index.map_err(|error| BackupError::Bug(error.to_string()))?)?;
    folder.store(FileType::Index, &digest::of_bytes(&index), &index)
}

fn length(bytes: &[u8]) -> Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| BackupError::Bug("the blobs of a pack exceed 4 GiB".to_owned()))
}
