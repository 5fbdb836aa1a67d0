//! Links of a release's images and artifacts in the registry, under repositories that begin with the upstream's host.

use std::collections::BTreeSet;

use landfall_bundle_spec::Sha256;
use landfall_media::store::RepositoryLink;
use landfall_release_document::{ReleaseDocument, SignatureEntry};
use serde::{Deserialize, Serialize};

use super::reference::Reference;

/// One manifest under one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedLink {
    /// Upstream's host and path.
    pub repository: String,
    /// Tag, if the reference has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The manifest.
    pub manifest: Sha256,
    /// Configuration and layers.
    pub blobs: Vec<Sha256>,
}

impl PlannedLink {
    /// Returns the link in the store's form.
    pub fn in_store(&self) -> RepositoryLink {
        RepositoryLink {
            repository: self.repository.clone(),
            manifest: self.manifest,
            tag: self.tag.clone(),
            blobs: self.blobs.clone(),
        }
    }
}

/// Returns every image and artifact of a release as the registry lists it.
pub fn registry_links(release: &ReleaseDocument) -> Vec<PlannedLink> {
    let images = release.images.iter().map(|image| {
        link(
            &image.reference,
            &image.manifest.digest,
            [&image.config.digest].into_iter().chain(image.layers.iter().map(|layer| &layer.digest)),
        )
    });
    let artifacts = release.artifacts.iter().map(|artifact| {
        link(
            &artifact.reference,
            &artifact.manifest.digest,
            [&artifact.config.digest].into_iter().chain(artifact.files.iter().map(|file| &file.blob.digest)),
        )
    });
    images.chain(artifacts).chain(signature_links(release)).collect()
}

/// Returns links for signatures and attestations, in the repository of their image and under the names that software
/// looks for.
fn signature_links(release: &ReleaseDocument) -> impl Iterator<Item = PlannedLink> {
    let own: BTreeSet<_> = release.images.iter().map(|image| image.manifest.digest).collect();
    release.signatures.iter().flat_map(move |signature| {
        let SignatureEntry { image, subject, tag, manifest, blobs, .. } = signature;
        // An upstream index gets no tag, because its manifests for other platforms are not in the registry.
        let subject = (!own.contains(&subject.digest))
            .then(|| PlannedLink { tag: None, ..link(image, &subject.digest, std::iter::empty()) });
        let blobs = blobs.iter().map(|blob| &blob.digest);
        let manifest = PlannedLink { tag: tag.clone(), ..link(image, &manifest.digest, blobs) };
        subject.into_iter().chain([manifest])
    })
}

fn link<'a>(reference: &str, manifest: &Sha256, blobs: impl Iterator<Item = &'a Sha256>) -> PlannedLink {
    let reference = Reference::of(reference);
    PlannedLink {
        repository: reference.repository.to_owned(),
        tag: reference.tag.map(str::to_owned),
        manifest: *manifest,
        blobs: blobs.copied().collect::<BTreeSet<_>>().into_iter().collect(),
    }
}
