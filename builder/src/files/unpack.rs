//! Artifacts of registries whose layers are archives, as `ModelPack` and oras push folders: each archive is replaced by its files, so
//! that the site sees one form, a file for each layer. What the artifact states about an archive is compared first.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{Coded as _, codes};
use landfall_media::progress::{Event, Progress};
use landfall_media::store::{ContentStore, Expected};
use serde::Deserialize;
use serde_json::{Value, json};

use super::TITLE;
use super::compose::{FILE, FILE_PATH, MODEL_CONFIGURATION, SOURCE, SOURCE_DIGEST, SOURCE_MEMBER};
use super::layer::{self, Layer, LayerFile};
use crate::compression::Compression;
use crate::error::{BuildError, Result};
use crate::fetch::{Described, FetchedArtifact, ManifestDocument, OCI_MANIFEST};
use crate::lock::Pin;

/// How the media types of `ModelPack` begin.
const MODEL_TYPES: &str = "application/vnd.cncf.model.";

/// How those of files end that are no archives.
const RAW: &str = ".raw";

/// What oras states about the folder that it packed: the digest of the archive without compression.
const CONTENT_DIGEST: &str = "io.deis.oras.content.digest";

/// What oras states about a folder: that whoever pulls it unpacks it.
const UNPACK: &str = "io.deis.oras.content.unpack";

/// The type that oras gives to a file for which none is named.
const UNTYPED: &str = "application/vnd.oci.image.layer.v1.tar";

/// What to do about such a file.
const TYPE_FILES: &str = "oras calls a file without a type an archive. If this layer is a file, push it with a type, as `NAME:application/octet-stream`; else pack plain files under relative names.";

/// The largest configuration that is read, in bytes.
const CONFIGURATION_BYTES: u64 = 8 << 20;

/// What a configuration states about layers: that of a model, or of an image.
#[derive(Deserialize)]
struct Stated {
    #[serde(default)]
    modelfs: Option<Unpacked>,
    #[serde(default)]
    rootfs: Option<Unpacked>,
}

#[derive(Deserialize)]
struct Unpacked {
    #[serde(rename = "diffIds", alias = "diff_ids")]
    diff_ids: Vec<Sha256>,
}

/// A configuration that states what its layers unpack to.
struct Configuration {
    document: Value,
    diff_ids: Vec<Sha256>,
}

/// The artifact with its archives unpacked, or as it is where it has none. Its manifest, configuration and layers are in the store; on
/// return, so are the files, a manifest and a configuration that are made of theirs, and all of it is on the disk.
///
/// # Errors
///
/// `ARTIFACT_ARCHIVE` where a layer cannot be unpacked, `ARTIFACT_LAYER_MISMATCH` where it unpacks to something else than is stated,
/// `ARTIFACT_INVALID` where the configuration of a model cannot be read.
pub fn unpack(
    store: &ContentStore,
    pin: &Pin,
    manifest: &ManifestDocument,
    progress: &dyn Progress,
) -> Result<FetchedArtifact> {
    let compression = |layer: &Described| Compression::of_artifact_layer(&layer.media_type);
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
        let blob = Expected { digest: layer.digest, size: layer.size };
        let compression = Compression::of_bytes(&crate::layers::beginning(store, layer.digest)?);
        let unpacked = layer::unpack(store, &name, blob, compression, layer::limits_of(blob));
        let unpacked = unpacked.map_err(|error| advised(layer, error))?;
        let of_configuration = configuration.as_ref().and_then(|stated| stated.diff_ids.get(number).copied());
        check_stated(&name, layer, &unpacked, of_configuration)?;
        layers.extend(unpacked.files.iter().map(|file| of_archive(pin, layer, file)));
    }
    let unpacked = composed(store, pin, layers, configuration)?;
    progress.event(Event::PhaseDone);
    Ok(unpacked)
}

/// With what to do about a file of oras, where the layer may be one: only a folder is marked as to be unpacked.
fn advised(layer: &Described, error: BuildError) -> BuildError {
    let has_name = layer.annotations.contains_key(TITLE) && !layer.annotations.contains_key(UNPACK);
    let is_file = has_name && layer.media_type == UNTYPED && error.code() == codes::ARTIFACT_ARCHIVE;
    if is_file { error.hint(TYPE_FILES) } else { error }
}

/// What the configuration states; nothing where it states nothing about layers.
fn configuration(store: &ContentStore, pin: &Pin, manifest: &ManifestDocument) -> Result<Option<Configuration>> {
    let invalid =
        |what: &str| BuildError::new(codes::ARTIFACT_INVALID, format!("the configuration of {} {what}", pin.reference));
    let bytes = store.read(manifest.config.digest, CONFIGURATION_BYTES)?;
    let (document, stated) = match (serde_json::from_slice::<Value>(&bytes), serde_json::from_slice::<Stated>(&bytes)) {
        (Ok(document), Ok(stated)) => (document, stated),
        (Err(error), _) | (_, Err(error)) if manifest.config.media_type == MODEL_CONFIGURATION => {
            return Err(invalid("is malformed").because(error));
        }
        // Other artifacts may have anything there.
        _ => return Ok(None),
    };
    let Some(Unpacked { diff_ids }) = stated.modelfs.or(stated.rootfs) else { return Ok(None) };
    let (stated, layers) = (diff_ids.len(), manifest.layers.len());
    if stated != layers {
        let what = format!("{} has {layers} layers, but its configuration describes {stated}", pin.reference);
        return Err(BuildError::new(codes::ARTIFACT_LAYER_MISMATCH, what));
    }
    Ok(Some(Configuration { document, diff_ids }))
}

/// Refuses a file of a model for which the configuration states another digest: it is what it is in the layer.
fn check_files(pin: &Pin, manifest: &ManifestDocument, configuration: &Configuration) -> Result<()> {
    let is_file = |layer: &Described| layer.media_type.starts_with(MODEL_TYPES) && layer.media_type.ends_with(RAW);
    let mut files = manifest.layers.iter().zip(&configuration.diff_ids).filter(|(layer, _)| is_file(layer));
    let Some((layer, stated)) = files.find(|(layer, stated)| layer.digest != **stated) else { return Ok(()) };
    let what =
        format!("the layer {} of {} is a file, but its configuration says {stated}", layer.digest, pin.reference);
    Err(BuildError::new(codes::ARTIFACT_LAYER_MISMATCH, what))
}

/// Refuses a layer that unpacks to something else than the artifact states, in its configuration or beside the layer.
fn check_stated(name: &str, layer: &Described, unpacked: &Layer, of_configuration: Option<Sha256>) -> Result<()> {
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

fn as_it_is(layer: &Described) -> Value {
    let Described { media_type, digest, size, annotations, .. } = layer;
    json!({ "mediaType": media_type, "digest": digest, "size": size, "annotations": annotations })
}

/// A file of an archive as a layer of its own, whose annotations name its origin.
fn of_archive(pin: &Pin, layer: &Described, file: &LayerFile) -> Value {
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

/// The artifact of these layers: a function of what upstream has, the same at every vendor.
fn composed(
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
