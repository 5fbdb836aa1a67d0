//! What a bundle holds after its head, in pieces that are checked one by one.

use std::sync::Arc;

use landfall_bundle_spec::Verified;
use landfall_bundle_spec::blobs::BlobEntry;
use landfall_bundle_spec::chunks::{BlobSums, CHUNK_BYTES, chunk_count, chunk_len};
use landfall_bundle_spec::layout::Layout;

/// Bytes of a header of the archive.
const HEADER_BYTES: usize = 512;

/// The verified head of a bundle, shared by all ends of copying. Builders have one too: they read back what they signed.
#[derive(Debug, Clone)]
pub struct Payload(Arc<Verified>);

impl From<Verified> for Payload {
    fn from(verified: Verified) -> Self {
        Self(Arc::new(verified))
    }
}

impl From<Arc<Verified>> for Payload {
    fn from(verified: Arc<Verified>) -> Self {
        Self(verified)
    }
}

impl Payload {
    /// The head.
    pub fn verified(&self) -> &Arc<Verified> {
        &self.0
    }

    /// Where every byte lies.
    pub fn layout(&self) -> &Layout {
        self.0.layout()
    }

    /// The blobs, in the order of the stream.
    pub fn blobs(&self) -> &[BlobEntry] {
        self.0.blobs().entries()
    }

    /// The blob with this index.
    ///
    /// # Panics
    /// With an index that is not one of [`Payload::blobs`].
    pub fn blob(&self, index: usize) -> &BlobEntry {
        &self.blobs()[index]
    }

    /// Bytes of all blobs.
    pub fn blob_bytes(&self) -> u64 {
        self.blobs().iter().map(|blob| blob.size).sum()
    }

    /// Whether these bytes are this chunk of this blob.
    pub(crate) fn chunk_matches(&self, blob: usize, chunk: u64, bytes: &[u8]) -> bool {
        self.0.verify_chunk(blob, chunk, bytes).is_ok()
    }

    /// What a record of the blob holds.
    pub(crate) fn sums(&self, blob: usize) -> BlobSums {
        let entry = self.blob(blob);
        let chunks = self.0.chunk_values(blob).to_vec();
        BlobSums { sha256: entry.sha256, blake3: entry.blake3, size: entry.size, chunks }
    }

    /// The head in pieces, in order.
    pub(crate) fn head_pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        let head_bytes = self.layout().head_bytes();
        (0..head_bytes.div_ceil(CHUNK_BYTES)).map(move |index| {
            let offset = index * CHUNK_BYTES;
            piece(offset, chunk_len(head_bytes, index), PieceKind::Head)
        })
    }

    /// Every piece of the stream after the head, in order.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece> + Send + '_ {
        self.pieces_from_blob(0)
    }

    /// Every piece from the header of this blob to the end of the archive.
    pub(crate) fn pieces_from_blob(&self, first: usize) -> impl Iterator<Item = Piece> + Send + '_ {
        let end = self.layout().segments().last().map(|last| piece(last.offset, last.length, PieceKind::End));
        (first..self.blobs().len()).flat_map(|blob| self.pieces_of_blob(blob, 0)).chain(end)
    }

    /// Header, chunks from this one on, and padding of a blob.
    pub(crate) fn pieces_of_blob(&self, blob: usize, from_chunk: u64) -> impl Iterator<Item = Piece> + Send + '_ {
        let placed = &self.layout().entries()[blob];
        let header = piece(placed.header_offset, HEADER_BYTES as u64, PieceKind::Header(blob));
        let padding = piece(
            placed.end(),
            placed.end().next_multiple_of(HEADER_BYTES as u64) - placed.end(),
            PieceKind::Padding(blob),
        );
        let chunks = (from_chunk..chunk_count(placed.size)).map(move |chunk| {
            let offset = placed.offset() + chunk * CHUNK_BYTES;
            piece(offset, chunk_len(placed.size, chunk), PieceKind::Chunk(blob, chunk))
        });
        std::iter::once(header).chain(chunks).chain(std::iter::once(padding).filter(|padding| padding.length > 0))
    }

    /// Chunks of a blob from this one on.
    pub(crate) fn chunks_of_blob(&self, blob: usize, from_chunk: u64) -> impl Iterator<Item = Piece> + Send + '_ {
        self.pieces_of_blob(blob, from_chunk).filter(|piece| matches!(piece.kind, PieceKind::Chunk(..)))
    }

    /// The bytes of the head, of a header, of padding or of the archive's end: what the format prescribes.
    fn prescribed(&self, piece: &Piece) -> Vec<u8> {
        match piece.kind {
            PieceKind::Header(blob) => self.layout().entries()[blob].header().to_vec(),
            PieceKind::Head => {
                let start = usize::try_from(piece.offset).unwrap_or(usize::MAX);
                self.0.head_bytes().iter().skip(start).take(piece.length).copied().collect()
            }
            PieceKind::Padding(_) | PieceKind::End | PieceKind::Chunk(..) => vec![0; piece.length],
        }
    }

    /// Whether these bytes are that piece.
    pub(crate) fn matches(&self, piece: &Piece, bytes: &[u8]) -> bool {
        match piece.kind {
            PieceKind::Chunk(blob, chunk) => self.chunk_matches(blob, chunk, bytes),
            PieceKind::Head | PieceKind::Header(_) | PieceKind::Padding(_) | PieceKind::End => {
                bytes == self.prescribed(piece)
            }
        }
    }

    /// What is wrong with a piece that does not match, as a person reads it.
    pub(crate) fn describe(&self, piece: &Piece) -> String {
        let name = |blob: usize| &self.layout().entries()[blob].name;
        match piece.kind {
            PieceKind::Head => "the head is not the one that was verified".to_owned(),
            PieceKind::Header(blob) => format!("the archive's header of {} is not the prescribed one", name(blob)),
            PieceKind::Padding(blob) => format!("the padding after {} is not zero", name(blob)),
            PieceKind::End => "the end of the archive is not zero".to_owned(),
            PieceKind::Chunk(blob, chunk) => {
                let count = chunk_count(self.blob(blob).size);
                format!("chunk {} of {count} of {} does not match its signed value", chunk + 1, name(blob))
            }
        }
    }
}

/// Pieces have at most 1 MiB.
fn piece(offset: u64, length: u64, kind: PieceKind) -> Piece {
    Piece { offset, length: usize::try_from(length).unwrap_or(0), kind }
}

/// A stretch of the stream that is checked by itself, at most 1 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// First byte in the stream.
    pub(crate) offset: u64,
    /// Bytes.
    pub(crate) length: usize,
    pub(crate) kind: PieceKind,
}

/// What it is; numbers are indexes of blobs and of their chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PieceKind {
    Head,
    Header(usize),
    Chunk(usize, u64),
    Padding(usize),
    End,
}
