//! The payload of a bundle, which follows its head, as pieces that are checked one by one.

use std::sync::Arc;

use landfall_bundle_spec::Verified;
use landfall_bundle_spec::blobs::BlobEntry;
use landfall_bundle_spec::chunks::{BlobSums, chunk_count};
use landfall_bundle_spec::layout::Layout;
pub(crate) use landfall_bundle_spec::stream::{Piece, PieceKind};

/// The verified head of a bundle, shared by both ends of a copy. Builders also have one: they read back the head that
/// they signed.
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
    /// The verified head.
    pub fn verified_head(&self) -> &Arc<Verified> {
        &self.0
    }

    /// The layout: position of every byte.
    pub fn layout(&self) -> &Layout {
        self.0.layout()
    }

    /// The blobs, in the order of the stream.
    pub fn blobs(&self) -> &[BlobEntry] {
        self.0.blobs().entries()
    }

    /// Returns the blob with this index.
    ///
    /// # Panics
    ///
    /// Panics if the index is not one of [`Payload::blobs`].
    pub fn blob(&self, index: usize) -> &BlobEntry {
        &self.blobs()[index]
    }

    /// Total bytes of all blobs.
    pub fn blob_bytes(&self) -> u64 {
        self.blobs().iter().map(|blob| blob.size).sum()
    }

    /// Returns true if these bytes are this chunk of this blob.
    pub(crate) fn chunk_matches(&self, blob: usize, chunk: u64, bytes: &[u8]) -> bool {
        self.0.verify_chunk(blob, chunk, bytes).is_ok()
    }

    /// Returns the contents of the blob's record.
    pub(crate) fn sums(&self, blob: usize) -> BlobSums {
        let entry = self.blob(blob);
        let chunks = self.0.chunk_values(blob).to_vec();
        BlobSums { sha256: entry.sha256, blake3: entry.blake3, size: entry.size, chunks }
    }

    /// The pieces of the head, in order.
    pub(crate) fn head_pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        self.0.head_pieces()
    }

    /// The pieces of these blobs' entries, whose indexes must ascend, then those of the end of the archive.
    pub(crate) fn pieces_of<'a>(&'a self, blobs: &'a [usize]) -> impl Iterator<Item = Piece> + Send + 'a {
        let end = self.pieces_from_blob(self.blobs().len());
        blobs.iter().flat_map(|blob| self.pieces_of_blob(*blob, 0)).chain(end)
    }

    /// The pieces from the header of this blob to the end of the archive.
    pub(crate) fn pieces_from_blob(&self, first: usize) -> impl Iterator<Item = Piece> + Send + '_ {
        self.0.pieces_from_entry(first)
    }

    /// The pieces after the head that end after this offset, which must be a boundary of pieces.
    pub(crate) fn pieces_from(&self, offset: u64) -> impl Iterator<Item = Piece> + Send + '_ {
        self.pieces_from_blob(self.layout().entries().partition_point(|entry| entry.end() < offset))
            .skip_while(move |piece| piece.offset + (piece.length as u64) <= offset)
    }

    /// The header of a blob, its chunks from this one on, and its padding.
    pub(crate) fn pieces_of_blob(&self, blob: usize, from_chunk: u64) -> impl Iterator<Item = Piece> + Send + '_ {
        self.0.pieces_of_entry(blob, from_chunk)
    }

    /// The chunks of a blob from this one on.
    pub(crate) fn chunks_of_blob(&self, blob: usize, from_chunk: u64) -> impl Iterator<Item = Piece> + Send + '_ {
        self.pieces_of_blob(blob, from_chunk).filter(|piece| matches!(piece.kind, PieceKind::Chunk(..)))
    }

    /// Returns true if these bytes are that piece.
    pub(crate) fn matches(&self, piece: &Piece, bytes: &[u8]) -> bool {
        self.0.check_piece(piece, bytes).is_ok()
    }

    /// Describes a piece that does not match, in words for users.
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
