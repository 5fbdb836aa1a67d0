//! Composes the manifest of an artifact from upstream's files. The result depends only on the lock, so it is the same
//! for every vendor.

use std::collections::BTreeMap;

use landfall_bundle_spec::to_canonical;
use landfall_error_codes::codes;
use landfall_media::progress::{Event, Progress};
use landfall_media::store::{ContentStore, ExpectedBlob};
use landfall_models::ollama::{MANIFEST_BYTES, OllamaManifest, OllamaName};
use serde_json::{Value, json};

use super::TITLE;
use super::archive::{self, Limits};
use crate::error::{BuildError, Result};
use crate::fetched::FetchedArtifact;
use crate::manifest::OCI_MANIFEST;
use crate::pins::{FilePin, FilesPin, Form, Pin, Take};

const FILES: &str = "application/vnd.landfall.files.v1";
pub(super) const FILE: &str = "application/vnd.landfall.file.v1";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const EMPTY_BYTES: &[u8] = b"{}";

/// CNCF `ModelPack`: artifact type of a model, followed by media types of its content.
const MODEL: &str = "application/vnd.cncf.model.manifest.v1+json";
pub(super) const MODEL_CONFIGURATION: &str = "application/vnd.cncf.model.config.v1+json";
const WEIGHTS: &str = "application/vnd.cncf.model.weight.v1.raw";
const WEIGHTS_CONFIGURATION: &str = "application/vnd.cncf.model.weight.config.v1.raw";
const DOCUMENTATION: &str = "application/vnd.cncf.model.doc.v1.raw";

/// CNCF `ModelPack`: annotation with the path of a layer's file.
pub(super) const FILE_PATH: &str = "org.cncf.model.filepath";

/// Origin of a layer: URL and digest of upstream's file, and the member if that is an archive.
pub(super) const SOURCE: &str = "dev.landfall.source";
pub(super) const SOURCE_DIGEST: &str = "dev.landfall.source.digest";
pub(super) const SOURCE_MEMBER: &str = "dev.landfall.source.member";

/// Composes an artifact from files in the store. On return its manifest, configuration and archive members are also in
/// the store and synced to disk.
pub fn compose(store: &ContentStore, pin: &FilesPin, progress: &dyn Progress) -> Result<FetchedArtifact> {
    let phase = format!("composing {}", pin.reference);
    progress.event(Event::PhaseStarted { phase, total_bytes: None });
    let mut layers = Vec::new();
    let kinds = if pin.form == Form::Model { kinds_of_ollama(store, pin) } else { BTreeMap::new() };
    for file in &pin.files {
        layers.extend(file_layers(store, file, pin.form, &kinds).map_err(|error| error.within(file.place.clone()))?);
    }
    let (artifact_type, config_type, config) = match pin.form {
        Form::Files => (FILES, EMPTY, EMPTY_BYTES.to_vec()),
        Form::Model => (MODEL, MODEL_CONFIGURATION, configuration(pin, &layers)?),
    };
    let config = store.ingest_bytes(&config)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": { "mediaType": config_type, "digest": config.sha256, "size": config.size },
        "layers": layers,
    });
    let bytes = to_canonical(&pin.reference.to_string(), &manifest)?;
    let sums = store.ingest_bytes(&bytes)?;
    let manifest = serde_json::from_value(manifest).map_err(|error| {
        BuildError::new(codes::BUG, format!("the manifest of {} cannot be read", pin.reference)).because(error)
    })?;
    progress.event(Event::PhaseDone);
    Ok(FetchedArtifact {
        pin: Pin {
            reference: pin.reference.clone(),
            digest: sums.sha256,
            media_type: OCI_MANIFEST.to_owned(),
            size: sums.size,
            license: pin.license.clone(),
            place: pin.place.clone(),
        },
        manifest,
    })
}

/// Configuration of a model: name, license, and description of the layers.
fn configuration(pin: &FilesPin, layers: &[Value]) -> Result<Vec<u8>> {
    let mut descriptor = json!({ "name": pin.reference.repository });
    if let Some(license) = &pin.license {
        descriptor["licenses"] = json!([license]);
    }
    if let Some(commit) = pin.files.iter().find_map(|file| file.commit.as_ref()) {
        descriptor["revision"] = json!(commit.as_str());
    }
    let digests: Vec<_> = layers.iter().map(|layer| &layer["digest"]).collect();
    let document = json!({
        "descriptor": descriptor,
        "config": {},
        "modelfs": { "type": "layers", "diffIds": digests },
    });
    Ok(to_canonical(&pin.reference.to_string(), &document)?)
}

/// Media type of a model's file, by its name.
fn model_type(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if ends(&[".safetensors", ".gguf", ".bin", ".pt", ".pth", ".onnx", ".onnx_data", ".h5", ".msgpack"]) {
        WEIGHTS
    } else if ends(&[".md", ".pdf"]) || ["license", "notice"].iter().any(|word| name.starts_with(word)) {
        DOCUMENTATION
    } else {
        WEIGHTS_CONFIGURATION
    }
}

/// Media types of blobs in manifests of an Ollama store, by path: the name of a blob says nothing about its type.
fn kinds_of_ollama(store: &ContentStore, pin: &FilesPin) -> BTreeMap<String, &'static str> {
    let mut kinds = BTreeMap::new();
    for file in pin.files.iter().filter(|file| file.size <= MANIFEST_BYTES) {
        let Take::Whole(path) = &file.take else { continue };
        let manifest = OllamaName::of_path(path).and_then(|_| fs_err::read(store.path(file.digest)).ok());
        let Some(manifest) = manifest.and_then(|bytes| OllamaManifest::read(&bytes).ok()) else { continue };
        for blob in manifest.blobs() {
            let kind = if blob.is_weights() {
                WEIGHTS
            } else if blob.is_license() {
                DOCUMENTATION
            } else {
                WEIGHTS_CONFIGURATION
            };
            kinds.insert(blob.path(), kind);
        }
    }
    kinds
}

/// Layers made of one file, sorted by the names of its members. `kinds` are media types that the file names do not
/// reveal.
fn file_layers(
    store: &ContentStore,
    file: &FilePin,
    form: Form,
    kinds: &BTreeMap<String, &'static str>,
) -> Result<Vec<Value>> {
    let members = match &file.take {
        Take::Whole(path) => {
            let blob = ExpectedBlob { digest: file.digest, size: file.size };
            return Ok(vec![layer(file, form, kinds.get(path).copied(), path, None, blob)]);
        }
        Take::Members(compression, members) => (*compression, members),
    };
    let (compression, members): (_, &BTreeMap<String, String>) = members;
    let wanted: Vec<&str> = members.keys().map(String::as_str).collect();
    let name = file.url().map(ToString::to_string).unwrap_or_default();
    let found = archive::members(store, &name, file.digest, compression, &wanted, Limits::default())?;
    let taken = |(member, path): (&String, &String)| {
        let blob = *found.get(member)?;
        Some(layer(file, form, None, path, Some(member), blob))
    };
    Ok(members.iter().filter_map(taken).collect())
}

fn layer(
    file: &FilePin,
    form: Form,
    kind: Option<&'static str>,
    path: &str,
    member: Option<&str>,
    blob: ExpectedBlob,
) -> Value {
    let (name, media_type) = match form {
        Form::Files => (TITLE, FILE),
        Form::Model => (FILE_PATH, kind.unwrap_or_else(|| model_type(path))),
    };
    let mut annotations = json!({ name: path });
    // The path of a file next to the lock is meaningless elsewhere.
    if let Some(url) = file.url() {
        annotations[SOURCE] = json!(url.to_string());
        annotations[SOURCE_DIGEST] = json!(file.digest);
    }
    if let Some(member) = member {
        annotations[SOURCE_MEMBER] = json!(member);
    }
    json!({ "mediaType": media_type, "digest": blob.digest, "size": blob.size, "annotations": annotations })
}
