//! Bytes on each filesystem over time. Data that running software writes later is not included: the release reserves it
//! in `requirements.data`.

use std::collections::{BTreeMap, BTreeSet};

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::blobs::{BlobEntry, LayerContents, Place};
use landfall_engine::plan::PlannedStep;
use landfall_engine::step::StepError;
use landfall_host::facts::Filesystem;
use landfall_release_document::ImageEntry;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::FiguresInputs;
use crate::plan::upgrade::images_of;
use crate::steps::action::Action;
use crate::steps::component_ready::ComponentReady;
use landfall_site::content::reference::Reference;
use landfall_site::room::DATA;

/// Allocation unit of filesystems, in bytes.
const BLOCK_BYTES: u64 = 4 << 10;

/// Average overhead of a file, folder or link beyond its bytes: half a block.
const INODE_BYTES: u64 = BLOCK_BYTES / 2;

/// Bytes that the cluster itself writes while it starts. etcd reserves two logs of 64 million bytes. The rest is for
/// its database, containerd's, certificates and the first logs of pods.
const CLUSTER_BYTES: u64 = 2 * 64_000_000 + (24 << 20);

/// Bytes that software initially writes to each of its volumes, such as a database's files.
const VOLUME_BYTES: u64 = 32 << 20;

/// Bytes for units, settings, links and logs of services on the operating system's filesystems.
const SETTINGS_BYTES: u64 = 1 << 20;
const LOG_BYTES: u64 = 8 << 20;

/// Folder of logs, and folder of settings.
const LOGS: &str = "/var/log";
const SETTINGS: &str = "/etc";

/// Bytes that a step writes to the filesystem of the data folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Writes {
    /// Bytes that stay.
    pub(super) stays: u64,
    /// Additional bytes that exist only while the step runs.
    pub(super) passes: u64,
}

/// Use of a filesystem at the end of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// ID of the step.
    pub step: String,
    /// Peak use of the install up to the end of the step, in bytes, including temporary use.
    pub peak_bytes: u64,
    /// Use at the end of the step, in bytes.
    pub used_bytes: u64,
}

/// Use of a filesystem by an install, in addition to existing data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilesystemFigures {
    /// Relevant paths on the filesystem.
    pub paths: Vec<String>,
    /// Size of the filesystem in bytes.
    pub total_bytes: u64,
    /// Free bytes before the install.
    pub free_bytes: u64,
    /// Peak use by the install, in bytes.
    pub peak_bytes: u64,
    /// Use at the end of the install, in bytes.
    pub final_bytes: u64,
    /// Use after each step that changes it.
    pub moments: Vec<Moment>,
}

/// Returns the bytes that each step of a plan writes, in the plan's order. The first step includes the program and the
/// head, which are placed before it.
pub(super) fn writes(inputs: &FiguresInputs<'_>) -> Result<Vec<Writes>, StepError> {
    let mut layers = Layers::new(inputs);
    let mut volumes = BTreeMap::new();
    let mut written = Vec::new();
    for planned in inputs.plan.all() {
        if let Action::Component(component) = &planned.action {
            let objects = component.resolve_objects(inputs.documents)?;
            volumes.insert(component.owner.component.clone(), (claims(&objects), images_of(&objects)));
        }
        written.push(of_step(planned, inputs, &mut layers, &volumes));
    }
    if let Some(first) = written.first_mut() {
        let program = inputs.blobs.iter().find(|blob| blob.place == Some(Place::Installer)).map_or(0, |blob| blob.size);
        first.stays += on_disk(program) + on_disk(inputs.head_bytes);
    }
    Ok(written)
}

/// Number of volumes that a component claims, and the references of its images.
type ClaimsAndImages = (u64, BTreeSet<String>);

fn of_step(
    planned: &PlannedStep<Action>,
    inputs: &FiguresInputs<'_>,
    layers: &mut Layers<'_>,
    volumes: &BTreeMap<String, ClaimsAndImages>,
) -> Writes {
    match &planned.action {
        Action::Stage(_) => Writes { stays: store_bytes(inputs.blobs), passes: 0 },
        Action::NodeImages(images) => layers.unpack(images.images.iter()),
        Action::ControlPlaneReady(_) => Writes { stays: CLUSTER_BYTES, passes: 0 },
        Action::RegistryLinks(links) => {
            // Each link is a file in a folder of its own.
            let count = links.links.iter().map(|link| link.blobs.len() as u64 + 1).sum::<u64>();
            Writes { stays: count * 2 * BLOCK_BYTES, passes: 0 }
        }
        Action::ComponentReady(ComponentReady { component, .. }) => {
            let Some((claims, references)) = volumes.get(component) else { return Writes::default() };
            let images = inputs.release.images.iter().filter(|image| is_among(image, references));
            let unpacked = layers.unpack(images);
            Writes { stays: unpacked.stays.saturating_add(claims.saturating_mul(VOLUME_BYTES)), ..unpacked }
        }
        _ => Writes::default(),
    }
}

/// Returns true if an image has one of these references, which may name it by tag, digest or both.
fn is_among(image: &ImageEntry, references: &BTreeSet<String>) -> bool {
    let own = Reference::of(&image.reference);
    references.iter().any(|reference| {
        let other = Reference::of(reference);
        let is_same = (own.host, own.repository) == (other.host, other.repository);
        *reference == image.reference || (is_same && other.tag.is_none_or(|tag| own.tag == Some(tag)))
    })
}

/// Returns the number of volumes that these objects claim. A `StatefulSet` claims one per replica and template, with
/// one replica by default.
fn claims(objects: &[Value]) -> u64 {
    let of_object = |object: &Value| match object["kind"].as_str() {
        Some("StatefulSet") => {
            let templates = object["spec"]["volumeClaimTemplates"].as_array().map_or(0, Vec::len) as u64;
            object["spec"]["replicas"].as_u64().unwrap_or(1).saturating_mul(templates)
        }
        Some("PersistentVolumeClaim") => 1,
        _ => 0,
    };
    objects.iter().map(of_object).fold(0, u64::saturating_add)
}

/// Rounds bytes up to whole blocks of a filesystem.
fn on_disk(bytes: u64) -> u64 {
    bytes.saturating_add(BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES
}

/// Returns the bytes that staging leaves: each blob once, in a folder of its own.
fn store_bytes(blobs: &[BlobEntry]) -> u64 {
    let mut seen = BTreeSet::new();
    let blobs = blobs.iter().filter(|blob| seen.insert(blob.sha256));
    blobs.map(|blob| on_disk(blob.size).saturating_add(BLOCK_BYTES)).fold(0, u64::saturating_add)
}

/// Layers of images, with the chains that are already unpacked. containerd's snapshots are of chains, so a layer is
/// unpacked again above a different base. Several images of Kubernetes share the layer of their programs in this way.
struct Layers<'a> {
    contents: BTreeMap<Sha256, &'a LayerContents>,
    unpacked: BTreeSet<Vec<Sha256>>,
}

impl<'a> Layers<'a> {
    fn new(inputs: &FiguresInputs<'a>) -> Self {
        let contents = inputs.blobs.iter().filter_map(|blob| Some((blob.sha256, blob.layer.as_ref()?)));
        Self { contents: contents.collect(), unpacked: BTreeSet::new() }
    }

    /// Unpacks images one after another. An image's compressed layers exist until it is unpacked.
    fn unpack<'b>(&mut self, images: impl Iterator<Item = &'b ImageEntry>) -> Writes {
        let mut written = Writes::default();
        for image in images {
            let mut came = 0_u64;
            let mut chain = Vec::new();
            for layer in &image.layers {
                chain.push(layer.digest);
                if !self.unpacked.insert(chain.clone()) {
                    continue;
                }
                came = came.saturating_add(on_disk(layer.size));
                if let Some(contents) = self.contents.get(&layer.digest) {
                    let inodes = contents.inodes.saturating_mul(INODE_BYTES);
                    written.stays = written.stays.saturating_add(contents.unpacked_bytes).saturating_add(inodes);
                }
            }
            written.passes = written.passes.max(came);
        }
        written
    }
}

/// Computes each filesystem's figures over time, the one of the data folder first.
pub(super) fn filesystems(inputs: &FiguresInputs<'_>, written: &[Writes]) -> Vec<FilesystemFigures> {
    let mut found: Vec<FilesystemFigures> =
        inputs.facts.filesystems.iter().map(|filesystem| over_time(filesystem, inputs, written)).collect();
    found.sort_by_key(|figures| !figures.paths.iter().any(|path| path == DATA));
    found.retain(|figures| figures.peak_bytes > 0);
    found
}

fn over_time(filesystem: &Filesystem, inputs: &FiguresInputs<'_>, written: &[Writes]) -> FilesystemFigures {
    let has = |wanted: &str| filesystem.paths.iter().any(|path| path == wanted);
    let (mut peak_bytes, mut used_bytes) = (0_u64, 0_u64);
    let mut moments = Vec::new();
    for (planned, writes) in inputs.plan.all().zip(written) {
        let mut own = if has(DATA) { *writes } else { Writes::default() };
        match &planned.action {
            Action::Agent(_) if has(LOGS) => own.stays += LOG_BYTES,
            Action::RuntimeConfiguration(_) if has(SETTINGS) => own.stays += SETTINGS_BYTES,
            _ => {}
        }
        if own == Writes::default() {
            continue;
        }
        used_bytes = used_bytes.saturating_add(own.stays);
        peak_bytes = peak_bytes.max(used_bytes.saturating_add(own.passes));
        moments.push(Moment { step: planned.id.0.clone(), peak_bytes, used_bytes });
    }
    FilesystemFigures {
        paths: filesystem.paths.clone(),
        total_bytes: filesystem.total_bytes,
        free_bytes: filesystem.free_bytes,
        peak_bytes,
        final_bytes: used_bytes,
        moments,
    }
}
