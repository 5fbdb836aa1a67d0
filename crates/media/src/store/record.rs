//! Records of the digests computed at ingestion, so that a blob is never hashed a second time.
//!
//! A record is one line of JSON (type, digests, size), followed by the chaining values of the chunks, 32 bytes each.

use std::path::Path;

use landfall_bundle_spec::chunks::{BlobSums, ChunkValue, chunk_values_of, root_of_chunks};
use landfall_bundle_spec::{Blake3, Sha256};
use serde::{Deserialize, Serialize};

use crate::error::{MediaError, PathContext, Result};

const RECORD_TYPE: &str = "landfall.dev/record/1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(rename = "type")]
    record_type: String,
    sha256: Sha256,
    blake3: Blake3,
    size: u64,
}

/// Encodes a record.
pub(super) fn encode(sums: &BlobSums) -> Vec<u8> {
    let line = Line { record_type: RECORD_TYPE.to_owned(), sha256: sums.sha256, blake3: sums.blake3, size: sums.size };
    // A struct of strings and a number always has a JSON form.
    let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
    bytes.push(b'\n');
    bytes.extend(sums.chunks.iter().flatten());
    bytes
}

/// Reads a record and checks it against its blob's digest, its size and its own root.
pub(super) fn read(path: &Path, digest: Sha256) -> Result<BlobSums> {
    let bytes = std::fs::read(path).at("read", path)?;
    decode(&bytes, digest).ok_or_else(|| {
        let what = format!("it is not the record of {digest}");
        MediaError::StoreDamaged { path: path.to_owned(), what }
    })
}

fn decode(bytes: &[u8], digest: Sha256) -> Option<BlobSums> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line: Line = serde_json::from_slice(&bytes[..end]).ok()?;
    let (chunks, rest) = bytes[end + 1..].as_chunks::<32>();
    let chunks: Vec<ChunkValue> = chunks.to_vec();
    let fits = line.record_type == RECORD_TYPE
        && line.sha256 == digest
        && rest.is_empty()
        && chunks.len() as u64 == chunk_values_of(line.size)
        && (chunks.is_empty() || root_of_chunks(line.size, &chunks) == Some(line.blake3));
    fits.then_some(BlobSums { sha256: line.sha256, blake3: line.blake3, size: line.size, chunks })
}
