//! Entries of the lock that a release uses, collected from node packs, artifacts and rendered objects.

use std::collections::BTreeMap;

use landfall_error_codes::codes;
use landfall_release_document::ArtifactKind;

use crate::definition::Definition;
use crate::error::{BuildError, Place, Result};
use crate::lock::{List, Lock, LockEntry};
use crate::node_packs::{NodePackInputs, node_pack, roles};
use crate::own_image::{self, OwnImage};
use crate::pins::{ArtifactPin, FilesPin, Form, Pin};
use crate::reference::Reference;
use crate::render;
use crate::rendered::RenderedComponent;

/// Pins that must be fetched for a release, with their users.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Images, in the order in which they are needed.
    pub images: Vec<Pin>,
    /// Artifacts, in the order of the definition.
    pub artifacts: Vec<ArtifactPin>,
    /// Pin of each reference in manifests.
    pub written: BTreeMap<Reference, Pin>,
    /// One per node pack.
    pub node_packs: Vec<NodePackInputs>,
}

/// Looks up all references in the lock. Returns an error for the first missing entry, or for all unresolved ones
/// together.
///
/// `own` are the images that were made here: components name them, but no lock has them.
pub fn inputs(
    definition: &Definition,
    lock: &Lock,
    components: &[RenderedComponent],
    own: &[OwnImage],
) -> Result<Inputs> {
    let platform = &definition.release.platform;
    if lock.document.platform.value != platform.value {
        let what = format!("the lock is for {}, the release for {}", lock.document.platform.value, platform.value);
        return Err(BuildError::at(codes::LOCK_UNREADABLE, Place::file(&lock.path), what));
    }
    let roles = roles(definition, lock)?;
    let ManifestReferences { locked: written, own: of_own } = manifest_references(definition, lock, components)?;
    let artifacts = artifacts(definition, lock)?;
    let mut images: Vec<&LockEntry> = Vec::new();
    let of_nodes = roles.iter().flat_map(|pack| pack.values().copied());
    for entry in of_nodes.chain(written.iter().map(|(_, entry)| *entry)) {
        if !images.iter().any(|other| other.reference.value == entry.reference.value) {
            images.push(entry);
        }
    }
    let all: Vec<_> = images.iter().copied().chain(artifacts.iter().map(|(_, entry)| *entry)).collect();
    lock.check_resolved(&all)?;
    let images = images.iter().filter_map(|entry| lock.pin(List::Images, entry));
    let images = images.chain(own.iter().map(|own| own.pin.clone())).collect();
    let artifacts = artifacts.into_iter().filter_map(|(kind, entry)| artifact(lock, kind, entry)).collect();
    let written = written
        .into_iter()
        .filter_map(|(reference, entry)| Some((reference, lock.pin(List::Images, entry)?)))
        .chain(
            of_own
                .into_iter()
                .filter_map(|reference| Some((reference.clone(), own_image::pin_of(&reference, own)?.clone()))),
        )
        .collect();
    let packs = roles.iter().enumerate().map(|(index, roles)| node_pack(definition, index, roles));
    Ok(Inputs { images, artifacts, written, node_packs: packs.collect::<Result<_>>()? })
}

fn artifacts<'a>(definition: &Definition, lock: &'a Lock) -> Result<Vec<(ArtifactKind, &'a LockEntry)>> {
    let artifacts = definition.release.artifacts.iter().enumerate();
    artifacts
        .map(|(index, artifact)| {
            let place = definition.place(&artifact.reference, format!("artifacts[{index}].reference"));
            let entry = lock.find(List::Artifacts, &parse(&artifact.reference.value, &place)?, place)?;
            Ok((artifact.kind, entry))
        })
        .collect()
}

/// Pin of an artifact, in the form of its kind.
fn artifact(lock: &Lock, kind: ArtifactKind, entry: &LockEntry) -> Option<ArtifactPin> {
    let pin = lock.artifact_pin(entry)?;
    Some(match pin {
        ArtifactPin::Files(pin) if kind == ArtifactKind::Model => {
            ArtifactPin::Files(FilesPin { form: Form::Model, ..pin })
        }
        pin => pin,
    })
}

/// References in manifests.
struct ManifestReferences<'a> {
    /// References with their entries of the lock, in the order in which components are applied.
    locked: Vec<(Reference, &'a LockEntry)>,
    /// Names of the images that were made here.
    own: Vec<Reference>,
}

fn manifest_references<'a>(
    definition: &Definition,
    lock: &'a Lock,
    components: &[RenderedComponent],
) -> Result<ManifestReferences<'a>> {
    let mut written = ManifestReferences { locked: Vec::new(), own: Vec::new() };
    for component in components {
        for usage in render::usages(definition, component)? {
            if own_image::is_meant(&usage.reference) == Ok(true) {
                written.own.push(usage.reference);
                continue;
            }
            let entry = lock.find(List::Images, &usage.reference, usage.place)?;
            written.locked.push((usage.reference, entry));
        }
    }
    Ok(written)
}

fn parse(text: &str, place: &Place) -> Result<Reference> {
    text.parse().map_err(|error| BuildError::at(codes::RELEASE_INVALID, place.clone(), format!("{error}")))
}
