//! The manifest of an artifact that is composed of upstream's files: a function of the lock, the same at every vendor.

use std::collections::BTreeMap;

use landfall_bundle_spec::to_canonical;
use landfall_error_codes::codes;
use landfall_media::progress::{Event, Progress};
use landfall_media::store::{ContentStore, Expected};
use serde_json::{Value, json};

use super::TITLE;
use super::archive::{self, Limits};
use crate::error::{BuildError, Result};
use crate::fetch::FetchedArtifact;
use crate::lock::{FilePin, FilesPin, Pin, Take};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const FILES: &str = "application/vnd.landfall.files.v1";
const FILE: &str = "application/vnd.landfall.file.v1";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const EMPTY_BYTES: &[u8] = b"{}";

/// Where a layer comes from: the address of upstream's file, its digest, and the member of it where it is an archive.
const SOURCE: &str = "dev.landfall.source";
const SOURCE_DIGEST: &str = "dev.landfall.source.digest";
const SOURCE_MEMBER: &str = "dev.landfall.source.member";

/// Composes an artifact whose files are in the store. On return its manifest, its configuration, which is empty, and the
/// members of its archives are in the store as well, and on the disk.
pub fn compose(store: &ContentStore, pin: &FilesPin, progress: &dyn Progress) -> Result<FetchedArtifact> {
    let phase = format!("composing {}", pin.reference);
    progress.event(Event::PhaseStarted { phase, total_bytes: None });
    let mut layers = Vec::new();
    for file in &pin.files {
        layers.extend(taken(store, file).map_err(|error| error.within(file.place.clone()))?);
    }
    let config = store.ingest_bytes(EMPTY_BYTES)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": FILES,
        "config": { "mediaType": EMPTY, "digest": config.sha256, "size": config.size },
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
            media_type: MANIFEST.to_owned(),
            size: sums.size,
            license: pin.license.clone(),
            place: pin.place.clone(),
        },
        manifest,
    })
}

/// The layers that one file gives, in the order of its members' names.
fn taken(store: &ContentStore, file: &FilePin) -> Result<Vec<Value>> {
    let members = match &file.take {
        Take::Whole(path) => {
            let blob = Expected { digest: file.digest, size: file.size };
            return Ok(vec![layer(file, path, None, blob)]);
        }
        Take::Members(compression, members) => (*compression, members),
    };
    let (compression, members): (_, &BTreeMap<String, String>) = members;
    let wanted: Vec<&str> = members.keys().map(String::as_str).collect();
    let name = file.url.to_string();
    let found = archive::members(store, &name, file.digest, compression, &wanted, Limits::default())?;
    let layers = members.iter().filter_map(|(member, path)| Some(layer(file, path, Some(member), *found.get(member)?)));
    Ok(layers.collect())
}

fn layer(file: &FilePin, path: &str, member: Option<&str>, blob: Expected) -> Value {
    let mut annotations = json!({ TITLE: path, SOURCE: file.url.to_string(), SOURCE_DIGEST: file.digest });
    if let Some(member) = member {
        annotations[SOURCE_MEMBER] = json!(member);
    }
    json!({ "mediaType": FILE, "digest": blob.digest, "size": blob.size, "annotations": annotations })
}
