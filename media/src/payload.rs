//! What a bundle holds after its head, in pieces that are checked one by one.

use std::sync::Arc;

use landfall_bundle_spec::Verified;
use landfall_bundle_spec::blobs::BlobEntry;
use landfall_bundle_spec::chunks::{BlobSums, chunk_count};
use landfall_bundle_spec::layout::Layout;
pub(crate) use landfall_bundle_spec::stream::{Piece, PieceKind};

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

    /// The position of every byte.
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
        self.0.head_pieces()
    }

    /// Every piece of these blobs' entries, which ascend, and of the end of the archive, in order.
    pub(crate) fn pieces_of<'a>(&'a self, blobs: &'a [usize]) -> impl Iterator<Item = Piece> + Send + 'a {
        let end = self.pieces_from_blob(self.blobs().len());
        blobs.iter().flat_map(|blob| self.pieces_of_blob(*blob, 0)).chain(end)
    }

    /// Every piece from the header of this blob to the end of the archive.
    pub(crate) fn pieces_from_blob(&self, first: usize) -> impl Iterator<Item = Piece> + Send + '_ {
        self.0.pieces_from_entry(first)
    }

    /// Every piece after the head that ends behind this offset, which must be where one begins or ends.
    pub(crate) fn pieces_from(&self, offset: u64) -> impl Iterator<Item = Piece> + Send + '_ {
        self.pieces_from_blob(self.layout().entries().partition_point(|entry| entry.end() < offset))
            .skip_while(move |piece| piece.offset + (piece.length as u64) <= offset)
    }

    /// Header, chunks from this one on, and padding of a blob.
    pub(crate) fn pieces_of_blob(&self, blob: usize, from_chunk: u64) -> impl Iterator<Item = Piece> + Send + '_ {
        self.0.pieces_of_entry(blob, from_chunk)
    }

    /// Chunks of a blob from this one on.
    pub(crate) fn chunks_of_blob(&self, blob: usize, from_chunk: u64) -> impl Iterator<Item = Piece> + Send + '_ {
        self.pieces_of_blob(blob, from_chunk).filter(|piece| matches!(piece.kind, PieceKind::Chunk(..)))
    }

    /// Whether these bytes are that piece.
    pub(crate) fn matches(&self, piece: &Piece, bytes: &[u8]) -> bool {
        self.0.check_piece(piece, bytes).is_ok()
    }

    /// What is wrong with a piece that does not match, for a person.
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
