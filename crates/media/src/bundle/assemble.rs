//! Assembly of the parts of a bundle whose payload is verified. File contents decide which file holds which bytes.
//!
//! A file that has the name of a part but other contents is refused, not worked around: the sticks were mixed up, and
//! the user should know. A file with any other name is used if it holds the bytes that come next.

use std::path::{Path, PathBuf};

use landfall_bundle_spec::parts::{BundleName, FileKind};

use super::locate::name;
use super::{BundleMedia, Part, Role, UnverifiedBundle, open_part, read_exact_at};
use crate::contents::Contents;
use crate::counters::Counters;
use crate::error::{MediaError, Result};
use crate::payload::{Payload, PieceKind};

/// Number of leading chunks to compare in a file with the expected name. A single damaged or unreadable chunk does not
/// make the file foreign.
const COMPARED_CHUNKS: usize = 3;

impl UnverifiedBundle {
    /// Finds every part of the bundle whose head was verified, or of its delta. Reads the first chunk of each part, and
    /// the headers of a delta.
    pub fn assemble(&self, payload: Payload, counters: Counters) -> Result<BundleMedia> {
        let head_bytes = payload.layout().head_bytes();
        let total = payload.layout().total_bytes();
        // A head file is exactly as long as the head; any longer file is a first part or the whole bundle.
        let first = self.firsts.iter().map(|path| open_part(path, 0)).find(|part| match part {
            Ok(part) => part.length > head_bytes,
            Err(_) => true,
        });
        let Some(first) = first.transpose()? else {
            let whole = PathBuf::from(self.expected_name(&[]));
            return Err(MediaError::PartMissing { folder: self.folder.clone(), name: name(&whole), offset: 0 });
        };
        if first.length != total
            && let Some(delta) = self.delta(&payload, &first, &counters)?
        {
            return Ok(delta);
        }
        let mut parts = vec![first];
        loop {
            let end = parts.last().map_or(0, |part| part.offset + part.length);
            if end == total {
                let contents = Contents::all_blobs(&payload);
                return Ok(BundleMedia { payload, contents, parts, counters, role: Role::Read });
            }
            if end > total {
                let path = parts.pop().map_or_else(PathBuf::new, |part| part.path);
                return Err(MediaError::SurplusData { path, surplus: end - total });
            }
            let part = self.next_part(&payload, &parts, end, &counters)?;
            parts.push(part);
        }
    }

    fn next_part(&self, payload: &Payload, parts: &[Part], offset: u64, counters: &Counters) -> Result<Part> {
        let expected = self.expected_name(parts);
        let last = &parts[parts.len() - 1];
        let no_cut = payload.layout().cut(offset).is_none();
        if no_cut || kind(&last.path) == Some(FileKind::Whole) {
            return Err(MediaError::Short {
                path: last.path.clone(),
                missing: self.missing_bytes(payload, last, offset),
            });
        }
        let unused = || self.candidates.iter().filter(|path| parts.iter().all(|part| part.path != **path));
        let named = unused().find(|path| name(path) == expected);
        let mut misnamed = named.map(|path| open_part(path, offset)).transpose()?;
        if let Some(part) = misnamed.take_if(|part| begins_at(payload, part, COMPARED_CHUNKS, counters)) {
            return Ok(part);
        }
        let found = unused()
            .filter(|path| Some(*path) != named)
            .filter_map(|path| open_part(path, offset).ok())
            .find(|part| begins_at(payload, part, 1, counters));
        match (found, misnamed) {
            (Some(part), None) => Ok(part),
            (Some(part), Some(other)) => Err(MediaError::PartSwapped { path: other.path, holder: part.path, offset }),
            (None, Some(part)) => Err(unfit(payload, part)),
            (None, None) => Err(MediaError::PartMissing { folder: self.folder.clone(), name: expected, offset }),
        }
    }

    /// Returns the expected name of the next part, derived from the name of the first.
    fn expected_name(&self, parts: &[Part]) -> String {
        let named = parts.first().map(|part| part.path.as_path()).or_else(|| self.firsts.first().map(PathBuf::as_path));
        let stem = named.and_then(|path| BundleName::parse(&name(path))).map(|(stem, _)| stem);
        let kind = FileKind::Part(parts.len() + 1);
        stem.map_or_else(|| format!("part {}", parts.len() + 1), |stem| stem.file(kind))
    }

    /// Returns the number of bytes that a truncated file lacks. A single file lacks those up to the end of the bundle;
    /// a part lacks at least those up to the next end of a chunk.
    fn missing_bytes(&self, payload: &Payload, last: &Part, end: u64) -> u64 {
        let total = payload.layout().total_bytes();
        if kind(&last.path) == Some(FileKind::Whole) || self.candidates.len() == 1 {
            return total - end;
        }
        payload.pieces_from(end).next().map_or(total, |piece| piece.offset + piece.length as u64) - end
    }
}

fn kind(path: &Path) -> Option<FileKind> {
    BundleName::parse(&name(path)).map(|(_, kind)| kind)
}

/// Returns the error for a file that has a part's name but is not that part. A file that ends before its first provable
/// piece was most likely not copied completely.
fn unfit(payload: &Payload, Part { path, offset, length, .. }: Part) -> MediaError {
    let proof = payload.pieces_from(offset).find(|piece| proves(piece.kind));
    let missing = proof.map_or(0, |piece| (piece.offset + piece.length as u64 - offset).saturating_sub(length));
    if missing > 0 { MediaError::Short { path, missing } } else { MediaError::PartForeign { path, offset } }
}

/// Returns true if a matching piece of this kind proves that the file belongs to the bundle. Zeros (padding) prove
/// nothing, unless there is nothing else.
fn proves(kind: PieceKind) -> bool {
    matches!(kind, PieceKind::Header(_) | PieceKind::Chunk(..) | PieceKind::End)
}

/// Returns true if the file holds the stream's bytes from its offset on. The offset must be a cut.
fn begins_at(payload: &Payload, part: &Part, compared_chunks: usize, counters: &Counters) -> bool {
    let mut chunks = 0;
    let mut buffer = Vec::new();
    for piece in payload.pieces_from(part.offset) {
        buffer.resize(piece.length, 0);
        let within = piece.offset - part.offset;
        if within + piece.length as u64 > part.length {
            return false;
        }
        match read_exact_at(part, within, &mut buffer) {
            Ok(()) => {
                counters.add_read(piece.length);
                if proves(piece.kind) && payload.matches(&piece, &buffer) {
                    return true;
                }
            }
            // Treated like a damaged piece: a later piece may still prove the file.
            Err(error) if error.is_unreadable() => {}
            Err(_) => return false,
        }
        chunks += usize::from(matches!(piece.kind, PieceKind::Chunk(..)));
        if chunks == compared_chunks {
            return false;
        }
    }
    false
}
