//! Unique blobs of a bundle, in install order.

use std::collections::HashSet;

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::blobs::{BlobEntry, BlobsDocument, LayerContents, Place};
use landfall_bundle_spec::chunks::ChunkValue;
use landfall_media::progress::SilentProgress;
use landfall_media::store::ContentStore;
use landfall_release_document::{ArtifactKind, Descriptor, ReleaseDocument, SignatureEntry};

use crate::error::Result;
use crate::fetched::FetchedImage;
use crate::layers;

/// Content after the head.
#[derive(Debug)]
pub struct Order {
    /// Entries of `blobs.json`.
    pub blobs: BlobsDocument,
    /// Chunk values of each entry.
    pub chunks: Vec<Vec<ChunkValue>>,
}

/// One of the three files that are stored under their own paths, as a blob of the store.
#[derive(Debug, Clone, Copy)]
pub struct PlacedFile {
    /// The file's place.
    pub place: Place,
    /// Digest of the file.
    pub digest: Sha256,
    /// Media type of the file.
    pub media_type: &'static str,
}

/// Collects the blobs of a release. The unpacked size of layers must be recorded.
pub fn order(
    store: &ContentStore,
    placed: &[PlacedFile],
    release: &ReleaseDocument,
    images: &[FetchedImage],
) -> Result<Order> {
    let mut collected = BlobCollector::new(store, placed)?;
    collected.artifacts(release, true)?;
    for image in images {
        collected.image(image)?;
    }
    release.signatures.iter().flat_map(SignatureEntry::descriptors).try_for_each(|blob| collected.descriptor(blob))?;
    collected.artifacts(release, false)?;
    collected.order()
}

/// Collects files, such as the packages of a host pack.
pub fn order_of_files<'a>(
    store: &ContentStore,
    placed: &[PlacedFile],
    mut files: impl Iterator<Item = &'a Descriptor>,
) -> Result<Order> {
    let mut collected = BlobCollector::new(store, placed)?;
    files.try_for_each(|file| collected.descriptor(file))?;
    collected.order()
}

struct BlobCollector<'a> {
    store: &'a ContentStore,
    entries: Vec<BlobEntry>,
    chunks: Vec<Vec<ChunkValue>>,
    seen: HashSet<Sha256>,
}

impl<'a> BlobCollector<'a> {
    /// Starts with the files that are stored under their own paths.
    fn new(store: &'a ContentStore, placed: &[PlacedFile]) -> Result<Self> {
        let mut collected = Self { store, entries: Vec::new(), chunks: Vec::new(), seen: HashSet::new() };
        for file in placed {
            let sums = store.record(file.digest)?;
            collected.entries.push(BlobEntry::with_place(&sums, file.media_type, file.place));
            collected.chunks.push(sums.chunks);
        }
        Ok(collected)
    }

    fn order(self) -> Result<Order> {
        Ok(Order { blobs: BlobsDocument::new(self.entries)?, chunks: self.chunks })
    }

    fn blob(&mut self, digest: Sha256, media_type: &str, layer: Option<LayerContents>) -> Result<()> {
        if !self.seen.insert(digest) {
            return Ok(());
        }
        let sums = self.store.record(digest)?;
        let entry = BlobEntry::blob(&sums, media_type);
        self.entries.push(match layer {
            Some(layer) => entry.with_layer(layer),
            None => entry,
        });
        self.chunks.push(sums.chunks);
        Ok(())
    }

    fn descriptor(&mut self, descriptor: &Descriptor) -> Result<()> {
        self.blob(descriptor.digest, &descriptor.media_type, None)
    }

    fn image(&mut self, image: &FetchedImage) -> Result<()> {
        self.blob(image.pin.digest, &image.pin.media_type, None)?;
        self.descriptor(&image.manifest.config.descriptor())?;
        for (layer, diff_id) in image.manifest.layers.iter().zip(&image.configuration.rootfs.diff_ids) {
            let contents = layers::facts(self.store, layer.digest, &layer.media_type, *diff_id, &SilentProgress)?;
            self.blob(layer.digest, &layer.media_type, Some(contents))?;
        }
        Ok(())
    }

    fn artifacts(&mut self, release: &ReleaseDocument, of_node: bool) -> Result<()> {
        for artifact in release.artifacts.iter().filter(|artifact| (artifact.kind == ArtifactKind::Node) == of_node) {
            self.descriptor(&artifact.manifest)?;
            self.descriptor(&artifact.config)?;
            for file in &artifact.files {
                self.descriptor(&file.blob)?;
            }
        }
        Ok(())
    }
}
