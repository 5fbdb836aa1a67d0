//! All manifests and blobs that a release needs, in parallel across images and blobs, each blob once.

use std::collections::HashSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use landfall_bundle_spec::codes;
use landfall_bundle_spec::release::Descriptor;
use landfall_media::progress::{Event, Progress};
use landfall_media::store::ContentStore;

use super::blob::fetch_blob;
use super::client::Client;
use super::manifest::{Described, ImageConfiguration, ManifestDocument};
use crate::error::{BuildError, Result};
use crate::lock::Pin;
use crate::reference::Reference;

/// Manifests, and blobs, that are fetched at the same time.
const PARALLEL: usize = 6;

/// The largest configuration of an image that is read.
const CONFIGURATION_LIMIT_BYTES: u64 = 8 << 20;

/// An annotation that says that a manifest was assembled for tests, wherever it lies.
const ASSEMBLED: &str = "dev.landfall.assembled";

/// An image whose manifest, configuration and layers are in the store.
#[derive(Debug, Clone)]
pub struct FetchedImage {
    /// What the lock says of it.
    pub pin: Pin,
    /// Its manifest.
    pub manifest: ManifestDocument,
    /// Its configuration.
    pub configuration: ImageConfiguration,
}

/// An artifact whose manifest, configuration and files are in the store.
#[derive(Debug, Clone)]
pub struct FetchedArtifact {
    /// What the lock says of it.
    pub pin: Pin,
    /// Its manifest.
    pub manifest: ManifestDocument,
}

/// All that a release needs, in the order that was asked for.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Images.
    pub images: Vec<FetchedImage>,
    /// Artifacts.
    pub artifacts: Vec<FetchedArtifact>,
}

impl Fetched {
    /// The references of everything that says it was assembled for tests.
    pub fn assembled(&self) -> Vec<&Reference> {
        let says_so =
            |manifest: &ManifestDocument| manifest.annotations.get(ASSEMBLED).is_some_and(|value| value == "true");
        let images = self.images.iter().filter(|image| says_so(&image.manifest)).map(|image| &image.pin.reference);
        let artifacts = self.artifacts.iter().filter(|item| says_so(&item.manifest)).map(|item| &item.pin.reference);
        images.chain(artifacts).collect()
    }
}

/// Fetches what is not in the store yet. On return all of it is there and on the disk.
pub async fn fetch(
    client: &Client,
    store: &ContentStore,
    platform: &str,
    images: &[Pin],
    artifacts: &[Pin],
    progress: &dyn Progress,
) -> Result<Fetched> {
    let pins = images.iter().chain(artifacts);
    let manifests: Vec<ManifestDocument> = stream::iter(pins)
        .map(|pin| async move {
            fetch_manifest(client, store, pin, progress).await.map_err(|error| error.within(pin.place.clone()))
        })
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    let (of_images, of_artifacts) = manifests.split_at(images.len());
    let mut seen = HashSet::new();
    let blobs: Vec<(&Pin, Descriptor)> = images
        .iter()
        .chain(artifacts)
        .zip(&manifests)
        .flat_map(|(pin, manifest)| blobs(manifest).map(move |blob| (pin, blob.descriptor())))
        .filter(|(_, blob)| seen.insert(blob.digest))
        .collect();
    let missing: Vec<_> = blobs.into_iter().filter(|(_, blob)| !store.contains(blob.digest)).collect();
    if !missing.is_empty() {
        let total_bytes = Some(missing.iter().map(|(_, blob)| blob.size).sum());
        progress.event(Event::PhaseStarted { phase: "fetching".into(), total_bytes });
        stream::iter(&missing)
            .map(|(pin, blob)| async move {
                let fetched = fetch_blob(client, &pin.reference, blob, store, progress).await;
                fetched.map_err(|error| error.within(pin.place.clone()))
            })
            .buffer_unordered(PARALLEL)
            .try_collect::<()>()
            .await?;
        progress.event(Event::PhaseDone);
    }
    let images = images
        .iter()
        .zip(of_images)
        .map(|(pin, manifest)| image(store, platform, pin, manifest).map_err(|error| error.within(pin.place.clone())));
    let artifacts = artifacts.iter().zip(of_artifacts);
    Ok(Fetched {
        images: images.collect::<Result<_>>()?,
        artifacts: artifacts
            .map(|(pin, manifest)| FetchedArtifact { pin: pin.clone(), manifest: manifest.clone() })
            .collect(),
    })
}

fn blobs(manifest: &ManifestDocument) -> impl Iterator<Item = &Described> {
    std::iter::once(&manifest.config).chain(&manifest.layers)
}

async fn fetch_manifest(
    client: &Client,
    store: &ContentStore,
    pin: &Pin,
    progress: &dyn Progress,
) -> Result<ManifestDocument> {
    let mismatch =
        |what: String| BuildError::new(codes::FETCH_MISMATCH, format!("the manifest of {} {what}", pin.reference));
    let bytes = if store.contains(pin.digest) {
        store.read(pin.digest, pin.size)?
    } else {
        let raw = client.manifest(&pin.reference.with_digest(pin.digest), progress).await?;
        if raw.media_type != pin.media_type {
            return Err(mismatch(format!("is of the type {} where the lock says {}", raw.media_type, pin.media_type)));
        }
        raw.bytes
    };
    if bytes.len() as u64 != pin.size {
        return Err(mismatch(format!("has {} bytes where the lock says {}", bytes.len(), pin.size)));
    }
    let document = serde_json::from_slice(&bytes).map_err(|error| mismatch("is malformed".into()).because(error))?;
    store.ingest_bytes(&bytes)?;
    Ok(document)
}

fn image(store: &ContentStore, platform: &str, pin: &Pin, manifest: &ManifestDocument) -> Result<FetchedImage> {
    let invalid =
        |what: String| BuildError::new(codes::ARTIFACT_INVALID, format!("the image {} {what}", pin.reference));
    let bytes = store.read(manifest.config.digest, CONFIGURATION_LIMIT_BYTES)?;
    let configuration: ImageConfiguration = serde_json::from_slice(&bytes)
        .map_err(|error| invalid("has a malformed configuration".into()).because(error))?;
    let found = format!("{}/{}", configuration.os, configuration.architecture);
    if found != platform {
        return Err(invalid(format!("is for {found}, the release for {platform}")));
    }
    let (layers, unpacked) = (manifest.layers.len(), configuration.rootfs.diff_ids.len());
    if layers != unpacked {
        return Err(invalid(format!("has {layers} layers, but its configuration describes {unpacked}")));
    }
    Ok(FetchedImage { pin: pin.clone(), manifest: manifest.clone(), configuration })
}
