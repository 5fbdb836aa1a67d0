//! Unpacked size of layers, computed once and cached next to the blobs, so that a site knows the required space.

pub mod listing;

use std::collections::HashSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::blobs::LayerContents;
use landfall_error_codes::codes;
use landfall_media::progress::{Event, Progress};
use landfall_media::store::{BlobFile, ContentStore};
use serde::{Deserialize, Serialize};

use self::listing::Lister;
use crate::compression::{Compression, MAGIC_BYTES};
use crate::error::{BuildError, Result};
use crate::fetched::FetchedImage;
use crate::manifest::OciDescriptor;
use crate::side_by_side::side_by_side;
use crate::{record, unpacked};

const RECORD_TYPE: &str = "landfall.dev/layer/1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    #[serde(rename = "type")]
    document_type: String,
    diff_id: Sha256,
    unpacked_bytes: u64,
    inodes: u64,
}

/// Unpacked size of a layer: from its record, or by decompression. In the latter case the record is written and synced.
///
/// Returns an error if the digest of the unpacked layer differs from `diff_id`, which comes from the image's
/// configuration.
pub fn facts(
    store: &ContentStore,
    layer: Sha256,
    media_type: &str,
    diff_id: Sha256,
    progress: &dyn Progress,
) -> Result<LayerContents> {
    let path = record_path(store, layer);
    let facts = if let Some(facts) = read_record(&path) {
        facts
    } else {
        let facts = count(store, layer, media_type, progress)?;
        write_record(&path, &facts)?;
        facts
    };
    if facts.diff_id == diff_id {
        return Ok(facts);
    }
    let what = format!("layer {layer} unpacks to {}, but its image's configuration says {diff_id}", facts.diff_id);
    Err(BuildError::new(codes::LAYER_MISMATCH, what))
}

/// Counts uncounted layers. Returns an error for an image whose configuration contradicts one of its layers.
pub fn check_all(store: &ContentStore, images: &[FetchedImage], progress: &dyn Progress) -> Result<()> {
    count_all(store, images, progress)?;
    for image in images {
        for (layer, diff_id) in image.manifest.layers.iter().zip(&image.configuration.rootfs.diff_ids) {
            let counted = facts(store, layer.digest, &layer.media_type, *diff_id, progress);
            counted.map_err(|error| refused(error, image))?;
        }
    }
    Ok(())
}

/// Adds the image and its place in the lock to an error about a layer.
fn refused(error: BuildError, image: &FetchedImage) -> BuildError {
    let reference = &image.pin.reference;
    error.of(reference).within(image.pin.place.clone()).refusing(reference)
}

/// Counts uncounted layers in parallel, as a separate phase, because each is decompressed.
fn count_all(store: &ContentStore, images: &[FetchedImage], progress: &dyn Progress) -> Result<()> {
    let mut seen = HashSet::new();
    let layers = images.iter().flat_map(|image| {
        let stated = image.manifest.layers.iter().zip(&image.configuration.rootfs.diff_ids);
        stated.map(move |(layer, diff_id)| (layer, diff_id, image))
    });
    let open = |layer: &OciDescriptor| read_record(&record_path(store, layer.digest)).is_none();
    let mut uncounted: Vec<_> = layers.filter(|(layer, ..)| seen.insert(layer.digest) && open(layer)).collect();
    if uncounted.is_empty() {
        return Ok(());
    }
    // Large layers start first, so that no large one finishes last.
    uncounted.sort_by_key(|(layer, ..)| std::cmp::Reverse(layer.size));
    let total_bytes = Some(uncounted.iter().map(|(layer, ..)| layer.size).fold(0, u64::saturating_add));
    progress.event(Event::PhaseStarted { phase: "counting layers".into(), total_bytes });
    // After the first failure, no further layer is started.
    let has_failed = AtomicBool::new(false);
    let count = |(layer, diff_id, image): &(&OciDescriptor, &Sha256, &FetchedImage)| {
        if has_failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let counted = facts(store, layer.digest, &layer.media_type, **diff_id, progress);
        counted.map(drop).map_err(|error| {
            has_failed.store(true, Ordering::Relaxed);
            refused(error, image)
        })
    };
    side_by_side(&uncounted, count)?.into_iter().collect::<Result<()>>()?;
    progress.event(Event::PhaseDone);
    Ok(())
}

fn write_record(path: &Path, facts: &LayerContents) -> Result<()> {
    let record = Record {
        document_type: RECORD_TYPE.to_owned(),
        diff_id: facts.diff_id,
        unpacked_bytes: facts.unpacked_bytes,
        inodes: facts.inodes,
    };
    record::write(path, &record, "a layer's record")
}

fn record_path(store: &ContentStore, layer: Sha256) -> PathBuf {
    record::path(store, "layers", layer)
}

/// Reads a record; `None` for an unreadable one, which is then replaced.
fn read_record(path: &Path) -> Option<LayerContents> {
    let record: Record = record::read(path)?;
    let Record { document_type, diff_id, unpacked_bytes, inodes } = record;
    (document_type == RECORD_TYPE).then_some(LayerContents { diff_id, unpacked_bytes, inodes })
}

/// First bytes of a stored archive, which show its compression.
pub fn beginning(store: &ContentStore, archive: Sha256) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = store.open(archive)?.take(MAGIC_BYTES).read_to_end(&mut bytes);
    read.map_err(|error| {
        BuildError::new(codes::BUILD_INTERRUPTED, format!("{archive} in the store cannot be read")).because(error)
    })?;
    Ok(bytes)
}

/// Compression of a layer, from its media type and its first bytes.
pub fn compression_of(store: &ContentStore, layer: Sha256, media_type: &str) -> Result<Compression> {
    let beginning = beginning(store, layer)?;
    let compression = Compression::of_layer(media_type, &beginning).ok_or_else(|| {
        let media_type = media_type.escape_default();
        let what = format!("layer {layer} is of the type {media_type}; Landfall unpacks tar, plain, gzip and zstd");
        BuildError::new(codes::ARTIFACT_INVALID, what)
    })?;
    if compression == Compression::None && Compression::of_bytes(&beginning) != Compression::None {
        let what = format!("layer {layer} is compressed, but its type {media_type} is that of plain archives");
        let hint = "containerd would not unpack it. Push the image again with a tool that names the compression, such \
            as `docker push` or `skopeo copy --format v2s2`.";
        return Err(BuildError::new(codes::ARTIFACT_INVALID, what).hint(hint));
    }
    Ok(compression)
}

fn count(store: &ContentStore, layer: Sha256, media_type: &str, progress: &dyn Progress) -> Result<LayerContents> {
    let unreadable = |error: io::Error| {
        BuildError::new(codes::ARTIFACT_INVALID, format!("layer {layer} cannot be unpacked")).because(error)
    };
    let compression = compression_of(store, layer, media_type)?;
    let mut lister = Lister::default();
    let reader = compression.reader(ProgressReader { blob: store.open(layer)?, progress });
    let counted = unpacked::read(reader, |entry| lister.add(entry)).map_err(unreadable)?;
    // The names are needed later; without this record, the layer would be decompressed twice.
    listing::keep(store, layer, lister.finish())?;
    Ok(counted)
}

/// A layer that reports how much of it was read.
struct ProgressReader<'a> {
    blob: BlobFile,
    progress: &'a dyn Progress,
}

impl Read for ProgressReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.blob.read(buffer)?;
        self.progress.event(Event::Advanced { bytes: count as u64 });
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Write as _;

    use landfall_error_codes::CodedError as _;
    use landfall_media::progress::SilentProgress;

    use super::*;
    use crate::manifest::ManifestDocument;
    use crate::pins::Pin;

    const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

    /// A tar of two files with ten bytes in total.
    fn archive() -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, bytes) in [("a", &b"four"[..]), ("b/c", &b"sixsix"[..])] {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, path, bytes).expect("entry");
        }
        archive.into_inner().expect("archive")
    }

    #[test]
    fn layer_is_counted_once() {
        let unpacked = archive();
        let diff_id = Sha256::of(&unpacked);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&unpacked).expect("compressed");
        let folder = tempfile::tempdir().expect("folder");
        let store = ContentStore::at(folder.path());
        let layer = store.ingest_bytes(&encoder.finish().expect("compressed")).expect("ingested").sha256;

        let found = facts(&store, layer, GZIP, diff_id, &SilentProgress).expect("facts");
        assert_eq!(found, LayerContents { diff_id, unpacked_bytes: 10, inodes: 2 });
        fs_err::remove_file(store.path(layer)).expect("removed");
        assert_eq!(facts(&store, layer, GZIP, diff_id, &SilentProgress).expect("from the record"), found);
        let refused = facts(&store, layer, GZIP, Sha256([0; 32]), &SilentProgress).expect_err("another diff ID");
        assert_eq!(refused.code(), codes::LAYER_MISMATCH);
    }

    #[test]
    fn zstd_layer_is_counted() {
        let unpacked = archive();
        let diff_id = Sha256::of(&unpacked);
        // Some writers split such layers into frames.
        let frame = |bytes| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
        let layer = [frame(&unpacked[..700]), frame(&unpacked[700..])].concat();
        let folder = tempfile::tempdir().expect("folder");
        let store = ContentStore::at(folder.path());
        let name = store.ingest_bytes(&layer).expect("ingested").sha256;
        let found = facts(&store, name, ZSTD, diff_id, &SilentProgress).expect("facts");
        assert_eq!(found, LayerContents { diff_id, unpacked_bytes: 10, inodes: 2 });
        let cut = store.ingest_bytes(&layer[..layer.len() - 1]).expect("ingested").sha256;
        let refused = facts(&store, cut, ZSTD, diff_id, &SilentProgress).expect_err("cut");
        assert_eq!(refused.code(), codes::ARTIFACT_INVALID);
    }

    /// Progress that records its events.
    #[derive(Default)]
    struct Events(std::sync::Mutex<Vec<Event>>);

    impl Progress for Events {
        fn event(&self, event: Event) {
            self.0.lock().expect("events").push(event);
        }
    }

    /// An image with uncompressed layers, each with the diff ID in its configuration.
    fn image(layers: &[(&[u8], Sha256)]) -> FetchedImage {
        let described = |bytes: &[u8]| OciDescriptor {
            media_type: "application/vnd.oci.image.layer.v1.tar".to_owned(),
            digest: Sha256::of(bytes),
            size: bytes.len() as u64,
            annotations: BTreeMap::new(),
            platform: None,
        };
        let manifest = ManifestDocument {
            media_type: None,
            config: described(b"{}"),
            layers: layers.iter().map(|(bytes, _)| described(bytes)).collect(),
            annotations: BTreeMap::new(),
        };
        let configuration = serde_json::json!({
            "architecture": "amd64", "os": "linux",
            "rootfs": { "diff_ids": layers.iter().map(|(_, diff_id)| diff_id).collect::<Vec<_>>() },
        });
        let pin = Pin {
            reference: "ghcr.io/a/b:1".parse().expect("reference"),
            digest: Sha256([0; 32]),
            media_type: String::new(),
            size: 0,
            license: None,
            place: crate::Place::default(),
        };
        FetchedImage { pin, manifest, configuration: serde_json::from_value(configuration).expect("configuration") }
    }

    #[test]
    fn layer_counting_reports_progress() {
        let folder = tempfile::tempdir().expect("folder");
        let store = ContentStore::at(folder.path());
        let layers: Vec<_> = (0..9_usize).map(|number| [archive(), vec![0; 512 * number]].concat()).collect();
        let named: Vec<_> = layers.iter().map(|bytes| (bytes.as_slice(), Sha256::of(bytes))).collect();
        for bytes in &layers {
            store.ingest_bytes(bytes).expect("ingested");
        }
        // The second image shares all layers except one.
        let images = [image(&named[..8]), image(&named[1..])];
        let events = Events::default();
        count_all(&store, &images, &events).expect("counted");
        let events = events.0.into_inner().expect("events");
        let total: u64 = layers.iter().map(|bytes| bytes.len() as u64).sum();
        let begun = Event::PhaseStarted { phase: "counting layers".into(), total_bytes: Some(total) };
        assert_eq!((events.first(), events.last()), (Some(&begun), Some(&Event::PhaseDone)));
        let advanced = events.iter().map(|event| if let Event::Advanced { bytes } = event { *bytes } else { 0 });
        assert_eq!(advanced.sum::<u64>(), total);

        let silent = Events::default();
        count_all(&store, &images, &silent).expect("counted before");
        assert_eq!(silent.0.into_inner().expect("events"), []);
        let other = [archive(), vec![0; 8192]].concat();
        store.ingest_bytes(&other).expect("ingested");
        let lying = image(&[(&other, Sha256([9; 32]))]);
        assert_eq!(count_all(&store, &[lying], &SilentProgress).expect_err("refused").code(), codes::LAYER_MISMATCH);
    }

    /// Real-world layers with a wrong media type, all of which containerd unpacks.
    #[test]
    fn mislabeled_layer_is_counted() {
        const DOCKER: &str = "application/vnd.docker.image.rootfs.diff.tar";
        let unpacked = archive();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&unpacked).expect("compressed");
        let gzip = gzip.finish().expect("compressed");
        let zstd = ruzstd::encoding::compress_to_vec(&unpacked[..], ruzstd::encoding::CompressionLevel::Fastest);
        let expected = LayerContents { diff_id: Sha256::of(&unpacked), unpacked_bytes: 10, inodes: 2 };
        for (bytes, media_type) in [(&unpacked, GZIP), (&zstd, GZIP), (&gzip, ZSTD), (&gzip, DOCKER), (&zstd, DOCKER)] {
            let folder = tempfile::tempdir().expect("folder");
            let store = ContentStore::at(folder.path());
            let name = store.ingest_bytes(bytes).expect("ingested").sha256;
            let found = facts(&store, name, media_type, expected.diff_id, &SilentProgress).expect(media_type);
            assert_eq!(found, expected, "{media_type}");
        }
    }

    #[test]
    fn corrupt_layer_names_image() {
        let folder = tempfile::tempdir().expect("folder");
        let store = ContentStore::at(folder.path());
        let gzip = [0x1f, 0x8b, 8, 0, 7];
        for bytes in [&gzip[..], &b"no archive".repeat(100)] {
            store.ingest_bytes(bytes).expect("ingested");
            let error =
                check_all(&store, &[image(&[(bytes, Sha256::of(bytes))])], &SilentProgress).expect_err("refused");
            let said = error.to_string();
            assert!(said.starts_with(&format!("ghcr.io/a/b:1: layer {}", Sha256::of(bytes))), "{said}");
            assert_eq!(said.contains("that of plain archives"), bytes == gzip, "{said}");
        }
    }

    #[test]
    fn unknown_compression_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let store = ContentStore::at(folder.path());
        let layer = store.ingest_bytes(b"x").expect("ingested").sha256;
        let error = facts(&store, layer, "application/x", layer, &SilentProgress).expect_err("refused");
        assert!(error.to_string().contains("application/x"), "{error}");
    }
}
