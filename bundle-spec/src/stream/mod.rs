//! The stream after the head, in pieces that are checked one by one. This module is the only verifier.
//!
//! Every reader of a bundle (verifying, staging, reading back, recognizing parts) walks [`Verified::pieces_from_entry`]
//! or a part of it, in any order and on any number of threads. It calls [`Verified::check_piece`] before it uses a
//! byte.
//!
//! Only BLAKE3 is computed. The signature binds `blobs.json`, which in turn binds SHA-256 and BLAKE3 of the same bytes;
//! the vendor computed both in one pass at ingestion. So bytes that pass this check also have their SHA-256.

use crate::archive::{BLOCK_BYTES, END_BYTES, padding_bytes};
use crate::chunks::{CHUNK_BYTES, chunk_count, chunk_len};
use crate::error::{Error, Result};
use crate::head::Verified;

/// A separately checked range of the stream, of at most [`CHUNK_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Offset of its first byte in the stream.
    pub offset: u64,
    /// Length in bytes.
    pub length: usize,
    /// Kind of the piece.
    pub kind: PieceKind,
}

/// The kind of a piece. Numbers are indexes of entries of `blobs.json` and of their chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind {
    /// Bytes of the head, which is already verified.
    Head,
    /// The header of an entry.
    Header(usize),
    /// A chunk of an entry; empty only if the entry is empty.
    Chunk(usize, u64),
    /// Zero bytes after an entry.
    Padding(usize),
    /// Zero bytes that end the archive.
    End,
}

/// Creates a piece, which has at most 1 MiB.
fn piece(offset: u64, length: u64, kind: PieceKind) -> Piece {
    Piece { offset, length: usize::try_from(length).unwrap_or(0), kind }
}

impl Verified {
    /// The pieces of the head, in order, for checking a copy of the verified head at another place.
    pub fn head_pieces(&self) -> impl Iterator<Item = Piece> {
        let head_bytes = self.layout().head_bytes();
        (0..head_bytes.div_ceil(CHUNK_BYTES))
            .map(move |index| piece(index * CHUNK_BYTES, chunk_len(head_bytes, index), PieceKind::Head))
    }

    /// The pieces from the header of this entry to the end of the archive, in order and without gaps.
    pub fn pieces_from_entry(&self, first: usize) -> impl Iterator<Item = Piece> + Send + '_ {
        let end = piece(self.layout().total_bytes() - END_BYTES, END_BYTES, PieceKind::End);
        let entries = self.layout().entries().len();
        (first..entries).flat_map(|entry| self.pieces_of_entry(entry, 0)).chain(std::iter::once(end))
    }

    /// The header of an entry, its chunks from this one on, and its padding.
    ///
    /// # Panics
    ///
    /// Panics if the index is not one of the entries.
    pub fn pieces_of_entry(&self, entry: usize, from_chunk: u64) -> impl Iterator<Item = Piece> + Send + '_ {
        let placed = &self.layout().entries()[entry];
        let header = piece(placed.header_offset, BLOCK_BYTES, PieceKind::Header(entry));
        let padding = piece(placed.end(), padding_bytes(placed.size), PieceKind::Padding(entry));
        let chunks = (from_chunk..chunk_count(placed.size)).map(move |chunk| {
            let offset = placed.offset() + chunk * CHUNK_BYTES;
            piece(offset, chunk_len(placed.size, chunk), PieceKind::Chunk(entry, chunk))
        });
        std::iter::once(header).chain(chunks).chain(std::iter::once(padding).filter(|padding| padding.length > 0))
    }

    /// Checks that these bytes are that piece, independently of all other pieces. Several threads may call it; it is
    /// cheap.
    pub fn check_piece(&self, piece: &Piece, bytes: &[u8]) -> Result<()> {
        let entries = self.layout().entries();
        let right = match piece.kind {
            PieceKind::Chunk(entry, chunk) => return self.verify_chunk(entry, chunk, bytes),
            PieceKind::Head => {
                let start = usize::try_from(piece.offset).unwrap_or(usize::MAX);
                self.head_bytes().get(start..).is_some_and(|rest| rest.get(..piece.length) == Some(bytes))
            }
            PieceKind::Header(entry) => entries.get(entry).is_some_and(|entry| *bytes == entry.header()),
            PieceKind::Padding(_) | PieceKind::End => {
                bytes.len() == piece.length && bytes.iter().all(|byte| *byte == 0)
            }
        };
        if right { Ok(()) } else { Err(self.damage_error(piece.kind)) }
    }

    fn damage_error(&self, kind: PieceKind) -> Error {
        let name =
            |entry: usize| self.layout().entries().get(entry).map(|entry| entry.name.clone()).unwrap_or_default();
        match kind {
            PieceKind::Head => Error::DamagedHeader { name: "the head".to_owned() },
            PieceKind::Header(entry) => Error::DamagedHeader { name: name(entry) },
            PieceKind::Chunk(entry, _) | PieceKind::Padding(entry) => Error::DamagedPadding { name: name(entry) },
            PieceKind::End => Error::DamagedPadding { name: "the last file".to_owned() },
        }
    }
}

/// Verifies everything after the head from memory, as a reader of a file or a stream does piece by piece.
#[cfg(any(test, feature = "sample"))]
pub fn check_payload(verified: &Verified, mut payload: &[u8]) -> Result<()> {
    for piece in verified.pieces_from_entry(0) {
        let Some((bytes, rest)) = payload.split_at_checked(piece.length) else {
            return Err(Error::Truncated { place: format!("byte {} of the bundle", piece.offset) });
        };
        verified.check_piece(&piece, bytes)?;
        payload = rest;
    }
    if payload.is_empty() { Ok(()) } else { Err(Error::TrailingData { place: "the bundle".to_owned() }) }
}

#[cfg(test)]
mod tests;
