//! Sources of blobs: a bundle, or a content store.

use std::sync::{Arc, Mutex, PoisonError};

use landfall_bundle_spec::chunks::CHUNK_BYTES;

use crate::bundle::BundleMedia;
use crate::error::{MediaError, Result};
use crate::payload::{Payload, Piece, PieceKind};
use crate::pipeline::{self, PieceReader};
use crate::store::{BlobFile, ContentStore};

/// A blob that a sink lacks, with the first missing byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingBlob {
    /// Index in [`Payload::blobs`].
    pub blob: usize,
    /// First missing byte; a multiple of 1 MiB.
    pub from: u64,
}

/// Function that takes one checked chunk of the blob with this index. Chunks of a blob come in order and without gaps.
pub type TakeChunk<'a> = dyn FnMut(usize, &[u8]) -> Result<()> + 'a;

/// The delivering end of copying: delivers blobs chunk by chunk, after checking each chunk against its signed value.
pub trait BlobSource {
    /// The blobs that it delivers, in order.
    fn payload(&self) -> &Payload;

    /// Delivers these blobs, which must be in the order of the payload. Reads each byte once and skips unwanted ones.
    /// Stops at the first damaged chunk; all chunks before it were delivered. An empty blob is one empty chunk.
    fn give(&mut self, wanted: &[MissingBlob], take: &mut TakeChunk<'_>) -> Result<()>;
}

/// A bundle on its media, read in one pass. Archive headers and padding of wanted blobs are also checked.
#[derive(Debug)]
pub struct BundleSource<'media> {
    media: &'media BundleMedia,
}

impl<'media> BundleSource<'media> {
    /// Creates a source of the blobs of this bundle.
    pub fn new(media: &'media BundleMedia) -> Self {
        Self { media }
    }
}

impl BlobSource for BundleSource<'_> {
    fn payload(&self) -> &Payload {
        self.media.payload()
    }

    fn give(&mut self, wanted: &[MissingBlob], take: &mut TakeChunk<'_>) -> Result<()> {
        let payload = self.media.payload();
        let pieces = wanted.iter().flat_map(|wanted| payload.pieces_of_blob(wanted.blob, wanted.from / CHUNK_BYTES));
        pipeline::run(payload, self.media, pieces, &mut only_chunks(take))
    }
}

/// A content store, read blob by blob. Chunks are checked against the same values that the bundle's head will contain.
#[derive(Debug)]
pub struct StoreSource<'store> {
    store: &'store ContentStore,
    payload: Payload,
}

impl<'store> StoreSource<'store> {
    /// Creates a source of these blobs of this store.
    pub fn new(store: &'store ContentStore, payload: Payload) -> Self {
        Self { store, payload }
    }
}

impl BlobSource for StoreSource<'_> {
    fn payload(&self) -> &Payload {
        &self.payload
    }

    fn give(&mut self, wanted: &[MissingBlob], take: &mut TakeChunk<'_>) -> Result<()> {
        let payload = &self.payload;
        let pieces = wanted.iter().flat_map(|wanted| payload.chunks_of_blob(wanted.blob, wanted.from / CHUNK_BYTES));
        pipeline::run(payload, &StoreReader::new(self.store, payload), pieces, &mut only_chunks(take))
    }
}

fn only_chunks<'a>(take: &'a mut TakeChunk<'_>) -> impl FnMut(&Piece, &[u8]) -> Result<()> + 'a {
    move |piece, bytes| match piece.kind {
        PieceKind::Chunk(blob, _) => take(blob, bytes),
        _ => Ok(()),
    }
}

/// A reader of blobs' chunks that keeps the current blob open.
pub(crate) struct StoreReader<'a> {
    store: &'a ContentStore,
    payload: &'a Payload,
    current: Mutex<Option<(usize, Arc<BlobFile>)>>,
}

impl<'a> StoreReader<'a> {
    /// Creates a reader of this payload's blobs in this store.
    pub(crate) fn new(store: &'a ContentStore, payload: &'a Payload) -> Self {
        Self { store, payload, current: Mutex::new(None) }
    }

    /// The open file of a blob.
    fn file(&self, blob: usize) -> Result<Arc<BlobFile>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((open, file)) = current.as_ref()
            && *open == blob
        {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(self.store.open(self.payload.blob(blob).sha256)?);
        *current = Some((blob, Arc::clone(&file)));
        Ok(file)
    }
}

impl PieceReader for StoreReader<'_> {
    fn read(&self, pieces: &[Piece], mut buffer: &mut [u8]) -> Result<()> {
        for piece in pieces {
            let PieceKind::Chunk(blob, chunk) = piece.kind else { continue };
            let (now, later) = std::mem::take(&mut buffer).split_at_mut(piece.length);
            if self.file(blob)?.read_at(now, chunk * CHUNK_BYTES)? != piece.length {
                return Err(self.damage_error(self.payload, piece));
            }
            buffer = later;
        }
        Ok(())
    }

    fn damage_error(&self, payload: &Payload, piece: &Piece) -> MediaError {
        let path = match piece.kind {
            PieceKind::Chunk(blob, _) => self.store.path(payload.blob(blob).sha256),
            _ => self.store.root().to_owned(),
        };
        MediaError::StoreDamaged { path, what: payload.describe(piece) }
    }
}
