//! Artifacts of registries with archives as layers, as `ModelPack` and oras push folders. Each archive is replaced by
//! its files, so that a site sees a single form: one file per layer. The artifact's statements about an archive are
//! verified first.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{CodedError as _, codes};
use landfall_media::progress::{Event, Progress};
use landfall_media::store::{ContentStore, ExpectedBlob};
use serde::Deserialize;
use serde_json::{Value, json};

use super::TITLE;
use super::compose::{FILE, FILE_PATH, MODEL_CONFIGURATION, SOURCE, SOURCE_DIGEST, SOURCE_MEMBER};
use super::layer::{self, Layer, LayerFile};
use crate::compression::Compression;
use crate::error::{BuildError, Result};
use crate::fetched::FetchedArtifact;
use crate::manifest::{ManifestDocument, OCI_MANIFEST, OciDescriptor};
use crate::pins::Pin;

/// Prefix of the media types of `ModelPack`.
const MODEL_TYPES: &str = "application/vnd.cncf.model.";

/// Suffix of its media types for files that are not archives.
const RAW: &str = ".raw";

/// Annotation of oras with the digest of a packed folder before compression.
const CONTENT_DIGEST: &str = "io.deis.oras.content.digest";

/// Annotation of oras on a folder: clients unpack it on pull.
const UNPACK: &str = "io.deis.oras.content.unpack";

/// Media type that oras gives to a file without a stated type.
const UNTYPED: &str = "application/vnd.oci.image.layer.v1.tar";

/// Hint for such a file.
const TYPE_FILES: &str = "oras calls a file without a type an archive. If this layer is a file, push it with a type, \
    as `NAME:application/octet-stream`; else pack plain files under relative names.";

/// Maximum size of a configuration, in bytes.
const CONFIGURATION_BYTES: u64 = 8 << 20;

/// The part of a configuration that describes layers, for a model or an image.
#[derive(Deserialize)]
struct LayerConfiguration {
    #[serde(default)]
    modelfs: Option<DiffIds>,
    #[serde(default)]
    rootfs: Option<DiffIds>,
}

#[derive(Deserialize)]
struct DiffIds {
    #[serde(rename = "diffIds", alias = "diff_ids")]
    diff_ids: Vec<Sha256>,
}

/// A configuration with the digests of the unpacked layers.
struct Configuration {
    document: Value,
    diff_ids: Vec<Sha256>,
}

/// Unpacks the archives of an artifact; returns it unchanged if it has none.
///
/// Manifest, configuration and layers must be in the store. On return, the files and a composed manifest and
/// configuration are in the store and synced to disk.
///
/// # Errors
///
/// `ARTIFACT_ARCHIVE` if a layer cannot be unpacked, `ARTIFACT_LAYER_MISMATCH` if its unpacked digest differs from the
/// stated one, `ARTIFACT_INVALID` if the configuration of a model cannot be read.
pub fn unpack(
    store: &ContentStore,
    pin: &Pin,
    manifest: &ManifestDocument,
    progress: &dyn Progress,
) -> Result<FetchedArtifact> {
    let compression = |layer: &OciDescriptor| Compression::of_artifact_layer(&layer.media_type);
    let has_archives = manifest.layers.iter().any(|layer| compression(layer).is_some());
    let is_model = manifest.config.media_type == MODEL_CONFIGURATION;
    let configuration = if has_archives || is_model { configuration(store, pin, manifest)? } else { None };
    if let Some(configuration) = &configuration {
        check_files(pin, manifest, configuration)?;
    }
    if !has_archives {
        return Ok(FetchedArtifact { pin: pin.clone(), manifest: manifest.clone() });
    }
    progress.event(Event::PhaseStarted { phase: format!("unpacking {}", pin.reference), total_bytes: None });
    let mut layers = Vec::new();
    for (number, layer) in manifest.layers.iter().enumerate() {
        if compression(layer).is_none() {
            layers.push(as_it_is(layer));
            continue;
        }
        let name = format!("the layer {} of {}", layer.digest, pin.reference);
        let blob = ExpectedBlob { digest: layer.digest, size: layer.size };
        let compression = Compression::of_bytes(&crate::layers::beginning(store, layer.digest)?);
        let unpacked = layer::unpack(store, &name, blob, compression, layer::limits_of(blob));
        let unpacked = unpacked.map_err(|error| add_oras_hint(layer, error))?;
        let of_configuration = configuration.as_ref().and_then(|stated| stated.diff_ids.get(number).copied());
        check_stated(&name, layer, &unpacked, of_configuration)?;
        layers.extend(unpacked.files.iter().map(|file| of_archive(pin, layer, file)));
    }
    let unpacked = compose_artifact(store, pin, layers, configuration)?;
    progress.event(Event::PhaseDone);
    Ok(unpacked)
}

/// Adds a hint about oras if the layer may be a plain file: only a folder is marked for unpacking.
fn add_oras_hint(layer: &OciDescriptor, error: BuildError) -> BuildError {
    let has_name = layer.annotations.contains_key(TITLE) && !layer.annotations.contains_key(UNPACK);
    let is_file = has_name && layer.media_type == UNTYPED && error.code() == codes::ARTIFACT_ARCHIVE;
    if is_file { error.hint(TYPE_FILES) } else { error }
}

/// Reads the configuration; `None` if it does not describe layers.
fn configuration(store: &ContentStore, pin: &Pin, manifest: &ManifestDocument) -> Result<Option<Configuration>> {
    let invalid =
        |what: &str| BuildError::new(codes::ARTIFACT_INVALID, format!("the configuration of {} {what}", pin.reference));
    let bytes = store.read(manifest.config.digest, CONFIGURATION_BYTES)?;
    let (document, stated) =
        match (serde_json::from_slice::<Value>(&bytes), serde_json::from_slice::<LayerConfiguration>(&bytes)) {
            (Ok(document), Ok(stated)) => (document, stated),
            (Err(error), _) | (_, Err(error)) if manifest.config.media_type == MODEL_CONFIGURATION => {
                return Err(invalid("is malformed").because(error));
            }
            // The configuration of other artifacts may have any content.
            _ => return Ok(None),
        };
    let Some(DiffIds { diff_ids }) = stated.modelfs.or(stated.rootfs) else { return Ok(None) };
    let (stated, layers) = (diff_ids.len(), manifest.layers.len());
    if stated != layers {
        let what = format!("{} has {layers} layers, but its configuration describes {stated}", pin.reference);
        return Err(BuildError::new(codes::ARTIFACT_LAYER_MISMATCH, what));
    }
    Ok(Some(Configuration { document, diff_ids }))
}

/// Returns an error if the configuration states a digest for a file of a model that differs from its layer's.
fn check_files(pin: &Pin, manifest: &ManifestDocument, configuration: &Configuration) -> Result<()> {
    let is_file = |layer: &OciDescriptor| layer.media_type.starts_with(MODEL_TYPES) && layer.media_type.ends_with(RAW);
    let mut files = manifest.layers.iter().zip(&configuration.diff_ids).filter(|(layer, _)| is_file(layer));
    let Some((layer, stated)) = files.find(|(layer, stated)| layer.digest != **stated) else { return Ok(()) };
    let what =
        format!("the layer {} of {} is a file, but its configuration says {stated}", layer.digest, pin.reference);
    Err(BuildError::new(codes::ARTIFACT_LAYER_MISMATCH, what))
}

/// Returns an error if the unpacked digest differs from the one in the configuration or in the layer's annotation.
fn check_stated(name: &str, layer: &OciDescriptor, unpacked: &Layer, of_configuration: Option<Sha256>) -> Result<()> {
    let found = unpacked.diff_id;
    let mismatch = |who: &str, stated: String| {
        let what = format!("{name} unpacks to {found}, but {who} says {stated}");
        Err(BuildError::new(codes::ARTIFACT_LAYER_MISMATCH, what))
    };
    if let Some(stated) = of_configuration.filter(|stated| *stated != found) {
        return mismatch("its configuration", stated.to_string());
    }
    match layer.annotations.get(CONTENT_DIGEST) {
        Some(stated) if *stated != found.to_string() => mismatch("its annotation", stated.escape_default().to_string()),
        _ => Ok(()),
    }
}

fn as_it_is(layer: &OciDescriptor) -> Value {
    let OciDescriptor { media_type, digest, size, annotations, .. } = layer;
    json!({ "mediaType": media_type, "digest": digest, "size": size, "annotations": annotations })
}

/// A file of an archive as a layer, with annotations that name its origin.
fn of_archive(pin: &Pin, layer: &OciDescriptor, file: &LayerFile) -> Value {
    let LayerFile { path, digest, size } = file;
    let model = layer.media_type.strip_prefix(MODEL_TYPES).and_then(|kind| kind.split_once(".tar"));
    let (name, media_type) = match model {
        Some((kind, _)) => (FILE_PATH, format!("{MODEL_TYPES}{kind}{RAW}")),
        None => (TITLE, FILE.to_owned()),
    };
    let annotations = json!({
        name: path, SOURCE: pin.reference.to_string(), SOURCE_DIGEST: layer.digest, SOURCE_MEMBER: path,
    });
    json!({ "mediaType": media_type, "digest": digest, "size": size, "annotations": annotations })
}

/// Composes the artifact from these layers. The result depends only on upstream's content, so it is the same for every
/// vendor.
fn compose_artifact(
    store: &ContentStore,
    pin: &Pin,
    layers: Vec<Value>,
    configuration: Option<Configuration>,
) -> Result<FetchedArtifact> {
    let malformed =
        || BuildError::new(codes::BUG, format!("the manifest of {} cannot be made of upstream's", pin.reference));
    let upstream = store.read(pin.digest, pin.size)?;
    let mut document: Value = serde_json::from_slice(&upstream).map_err(|error| malformed().because(error))?;
    if let Some(Configuration { document: mut stated, .. }) = configuration {
        let digests: Vec<_> = layers.iter().map(|layer| &layer["digest"]).collect();
        if stated.get("modelfs").is_some() {
            stated["modelfs"] = json!({ "type": "layers", "diffIds": digests });
        } else {
            stated["rootfs"] = json!({ "type": "layers", "diff_ids": digests });
        }
        let bytes = serde_json::to_vec(&stated).map_err(|error| malformed().because(error))?;
        let sums = store.ingest_bytes(&bytes)?;
        document["config"]["digest"] = json!(sums.sha256);
        document["config"]["size"] = json!(sums.size);
    }
    document["mediaType"] = json!(OCI_MANIFEST);
    document["layers"] = Value::Array(layers);
    let bytes = serde_json::to_vec(&document).map_err(|error| malformed().because(error))?;
    let sums = store.ingest_bytes(&bytes)?;
    let manifest = serde_json::from_value(document).map_err(|error| malformed().because(error))?;
    let media_type = OCI_MANIFEST.to_owned();
    Ok(FetchedArtifact { pin: Pin { digest: sums.sha256, media_type, size: sums.size, ..pin.clone() }, manifest })
}
