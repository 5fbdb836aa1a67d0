//! Fetches all manifests and blobs of a release, in parallel across images and blobs, each blob once.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_media::MediaError;
use landfall_media::progress::{Event, Progress};
use landfall_media::store::{ContentStore, ExpectedBlob};

use super::ask::{FileRequest, RequestTarget};
use super::blob::{Origin, fetch_blob};
use super::client::Client;
use super::foreign;
use super::local::read_local;
use crate::compression::Compression;
use crate::error::{BuildError, Place, Result};
use crate::fetched::{CarriedSignature, FetchedArtifact, FetchedImage};
use crate::files;
use crate::manifest::{ImageConfiguration, ManifestDocument, OciDescriptor};
use crate::pins::{ArtifactPin, FilePin, FileSource, Pin, Take};
use crate::reference::Reference;

/// Number of manifests, or of blobs, that are fetched in parallel.
const PARALLEL: usize = 6;

/// Maximum size of an image's configuration, in bytes.
const CONFIGURATION_LIMIT_BYTES: u64 = 8 << 20;

/// Annotation of a manifest that was assembled for tests, wherever it is stored.
const ASSEMBLED: &str = "dev.landfall.assembled";

/// Fetched content of a release, in the order of the request.
#[derive(Debug, Clone)]
pub struct FetchedContent {
    /// Fetched images.
    pub images: Vec<FetchedImage>,
    /// Fetched artifacts.
    pub artifacts: Vec<FetchedArtifact>,
    /// Signatures and attestations of the images, if the lock has rules for them.
    pub signatures: Vec<CarriedSignature>,
}

/// A blob that must be in the store.
struct NeededBlob<'a> {
    source: Source<'a>,
    blob: ExpectedBlob,
    place: &'a Place,
}

/// Source of a blob.
#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    /// A registry or a server.
    Away(Origin<'a>),
    /// A file of a local folder.
    Disk(&'a Path),
    /// Memory: a file next to the lock, read together with it.
    Here(&'a [u8]),
}

/// Manifests of all images and artifacts, from which the other blobs and the total size follow.
#[derive(Debug)]
pub struct Manifests<'a> {
    images: &'a [Pin],
    artifacts: &'a [ArtifactPin],
    /// Manifests of the images, then of the artifacts in a registry.
    documents: Vec<ManifestDocument>,
}

/// Fetches all manifests into the store, and no other blobs.
pub async fn fetch_manifests<'a>(
    client: &Client,
    store: &ContentStore,
    images: &'a [Pin],
    artifacts: &'a [ArtifactPin],
    progress: &dyn Progress,
) -> Result<Manifests<'a>> {
    let documents = stream::iter(pins(images, artifacts))
        .map(|pin| async move {
            fetch_manifest(client, store, pin, progress).await.map_err(|error| error.within(pin.place.clone()))
        })
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    Ok(Manifests { images, artifacts, documents })
}

/// Pins with a manifest in a registry.
fn pins<'a>(images: &'a [Pin], artifacts: &'a [ArtifactPin]) -> Vec<&'a Pin> {
    let published = artifacts.iter().filter_map(|artifact| match artifact {
        ArtifactPin::Manifest(pin) => Some(pin),
        ArtifactPin::Files(_) => None,
    });
    images.iter().chain(published).collect()
}

impl Manifests<'_> {
    fn pins(&self) -> Vec<&Pin> {
        pins(self.images, self.artifacts)
    }

    /// References of all content that is marked as assembled for tests.
    pub fn assembled_references(&self) -> Vec<Reference> {
        let says_so =
            |manifest: &ManifestDocument| manifest.annotations.get(ASSEMBLED).is_some_and(|value| value == "true");
        let pins = self.pins().into_iter().zip(&self.documents);
        pins.filter(|(_, manifest)| says_so(manifest)).map(|(pin, _)| pin.reference.clone()).collect()
    }

    /// Unique blobs and files that must be in the store.
    pub fn blobs(&self) -> impl Iterator<Item = ExpectedBlob> {
        needed_blobs(&self.pins(), &self.documents, self.artifacts)
            .into_iter()
            .map(|needed| needed.blob)
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Each image and artifact with the digests of all its content upstream.
    pub fn contents(&self) -> Vec<(Reference, BTreeSet<Sha256>)> {
        let of_manifest = |(pin, manifest): (&Pin, &ManifestDocument)| {
            let blobs = std::iter::once(pin.digest).chain(blobs(manifest).map(|blob| blob.digest));
            (pin.reference.clone(), blobs.collect())
        };
        let published = self.pins().into_iter().zip(&self.documents).map(of_manifest);
        let of_files = self.artifacts.iter().filter_map(|artifact| match artifact {
            ArtifactPin::Manifest(_) => None,
            ArtifactPin::Files(pin) => {
                Some((pin.reference.clone(), pin.files.iter().map(|file| file.digest).collect()))
            }
        });
        published.chain(of_files).collect()
    }

    /// Unique blobs of known size that will be in the bundle; the content of archives is not known yet.
    pub fn travelling(&self) -> impl Iterator<Item = ExpectedBlob> {
        let layers = self.documents.iter().skip(self.images.len()).flat_map(|manifest| &manifest.layers);
        let layers = layers.filter(|layer| Compression::of_artifact_layer(&layer.media_type).is_some());
        let unpacked: HashSet<_> = layers.map(|layer| layer.digest).collect();
        let is_archive = |digest| {
            let files = self.artifacts.iter().filter_map(|artifact| match artifact {
                ArtifactPin::Manifest(_) => None,
                ArtifactPin::Files(pin) => Some(&pin.files),
            });
            files.flatten().any(|file| file.digest == digest && matches!(file.take, Take::Members(..)))
        };
        self.blobs().filter(move |blob| !is_archive(blob.digest) && !unpacked.contains(&blob.digest))
    }
}

/// Fetches missing blobs, composes artifacts from files, and unpacks artifacts with archives as layers. On return, all
/// of it is in the store and synced to disk.
pub async fn fetch(
    client: &Client,
    store: &ContentStore,
    platform: &str,
    manifests: &Manifests<'_>,
    progress: &dyn Progress,
) -> Result<FetchedContent> {
    let Manifests { images, artifacts, documents } = manifests;
    let pins = manifests.pins();
    fetch_missing(client, store, needed_blobs(&pins, documents, artifacts), progress).await?;
    let (of_images, of_artifacts) = documents.split_at(images.len());
    let images = images
        .iter()
        .zip(of_images)
        .map(|(pin, manifest)| image(store, platform, pin, manifest).map_err(|error| as_refusal(error, pin)));
    let images = images.collect::<Result<_>>()?;
    let mut of_artifacts = of_artifacts.iter();
    let artifacts = artifacts.iter().filter_map(|artifact| match artifact {
        ArtifactPin::Manifest(pin) => {
            let manifest = of_artifacts.next()?;
            let unpacked = files::unpack(store, pin, manifest, progress);
            Some(unpacked.map_err(|error| as_refusal(error, pin)))
        }
        ArtifactPin::Files(pin) => Some(files::compose(store, pin, progress)),
    });
    Ok(FetchedContent { images, artifacts: artifacts.collect::<Result<_>>()?, signatures: Vec::new() })
}

/// Marks an error as a refusal of an image or artifact, at its place in the lock.
fn as_refusal(error: BuildError, pin: &Pin) -> BuildError {
    error.within(pin.place.clone()).refusing(&pin.reference)
}

/// Unique blobs of the manifests, and files.
fn needed_blobs<'a>(
    pins: &[&'a Pin],
    manifests: &[ManifestDocument],
    artifacts: &'a [ArtifactPin],
) -> Vec<NeededBlob<'a>> {
    let of_manifests = pins.iter().zip(manifests).flat_map(|(pin, manifest)| {
        blobs(manifest).map(move |blob| NeededBlob {
            source: Source::Away(Origin::Registry(&pin.reference)),
            blob: ExpectedBlob { digest: blob.digest, size: blob.size },
            place: &pin.place,
        })
    });
    let files = artifacts.iter().filter_map(|artifact| match artifact {
        ArtifactPin::Manifest(_) => None,
        ArtifactPin::Files(pin) => Some(&pin.files),
    });
    let of_files = files.flatten().map(|file| NeededBlob {
        source: source(file),
        blob: ExpectedBlob { digest: file.digest, size: file.size },
        place: &file.place,
    });
    let mut seen = HashSet::new();
    of_manifests.chain(of_files).filter(|needed| seen.insert(needed.blob.digest)).collect()
}

/// Source of a file, and how it is requested: a file of a hub at its commit.
fn source(file: &FilePin) -> Source<'_> {
    let FilePin { source, digest, size, commit, .. } = file;
    let hub = |commit| RequestTarget::Hub { commit, digest: Some(*digest), size: *size };
    match source {
        FileSource::Url(url) => {
            Source::Away(Origin::File(FileRequest { url, of: commit.as_ref().map_or(RequestTarget::Server, hub) }))
        }
        // The digest identifies the object: a mirror may have other tags.
        FileSource::Object { url, region } => {
            Source::Away(Origin::File(FileRequest { url, of: RequestTarget::Object { region, tag: None } }))
        }
        FileSource::Local(path) => Source::Disk(path),
        FileSource::Beside(bytes) => Source::Here(bytes),
    }
}

async fn fetch_missing(
    client: &Client,
    store: &ContentStore,
    needed: Vec<NeededBlob<'_>>,
    progress: &dyn Progress,
) -> Result<()> {
    let missing: Vec<_> = needed.into_iter().filter(|needed| !store.contains(needed.blob.digest)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    // The registry states the sizes, so their sum may overflow.
    let total_bytes = Some(missing.iter().map(|needed| needed.blob.size).fold(0, u64::saturating_add));
    progress.event(Event::PhaseStarted { phase: "fetching".into(), total_bytes });
    stream::iter(&missing)
        .map(|needed| async move {
            let fetched = match needed.source {
                Source::Away(origin) => {
                    let fetched = fetch_blob(client, origin, needed.blob, store, progress).await;
                    fetched.map_err(|error| about(error, origin))
                }
                Source::Disk(path) => read_local(path, Some(needed.blob), store).await.map(drop),
                Source::Here(bytes) => store.ingest_bytes(bytes).map(drop).map_err(BuildError::from),
            };
            fetched.map_err(|error| error.within(needed.place.clone()))
        })
        .buffer_unordered(PARALLEL)
        .try_collect::<()>()
        .await?;
    progress.event(Event::PhaseDone);
    Ok(())
}

/// Adds the URL of a file to the error, because its digest means little to a user.
fn about(error: BuildError, origin: Origin<'_>) -> BuildError {
    match (error, origin) {
        (BuildError::Media(error @ MediaError::BlobMismatch { .. }), Origin::File(asked)) => {
            let what = format!("{} is not the file that the lock pins", asked.url);
            BuildError::new(codes::FETCH_MISMATCH, what).because(error)
        }
        (error, _) => error,
    }
}

fn blobs(manifest: &ManifestDocument) -> impl Iterator<Item = &OciDescriptor> {
    std::iter::once(&manifest.config).chain(&manifest.layers)
}

pub(super) async fn fetch_manifest(
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
    // A lock of an earlier version may pin such an image.
    foreign::refuse(&pin.reference, &bytes)?;
    store.ingest_bytes(&bytes)?;
    Ok(document)
}

fn image(store: &ContentStore, platform: &str, pin: &Pin, manifest: &ManifestDocument) -> Result<FetchedImage> {
    let invalid =
        |what: String| BuildError::new(codes::ARTIFACT_INVALID, format!("the image {} {what}", pin.reference));
    let bytes = store.read(manifest.config.digest, CONFIGURATION_LIMIT_BYTES)?;
    let configuration: ImageConfiguration = serde_json::from_slice(&bytes)
        .map_err(|error| invalid("has a malformed configuration".into()).because(error))?;
    let found = configuration.platform.to_string();
    if found != platform {
        let found = if configuration.platform.is_unstated() { "no platform".to_owned() } else { found };
        return Err(invalid(format!("is for {}, the release for {platform}", found.escape_default())));
    }
    let (layers, unpacked) = (manifest.layers.len(), configuration.rootfs.diff_ids.len());
    if layers != unpacked {
        return Err(invalid(format!("has {layers} layers, but its configuration describes {unpacked}")));
    }
    Ok(FetchedImage { pin: pin.clone(), manifest: manifest.clone(), configuration })
}
