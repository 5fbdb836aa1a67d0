//! Faults of registries. A small server replaces a real one, which does not fail on command; the tests crate pulls from
//! CNCF distribution.

mod buckets;
mod files;
mod hostile;
mod hosts;
mod hub;
mod npm;
mod parallel;
mod plain;
mod projects;
mod reaching;
mod set_bench;
mod wheels;

use std::time::Duration;

use landfall_error_codes::{CodedError as _, codes};
use landfall_media::progress::{Event, Progress};
use landfall_media::store::{ContentStore, ExpectedBlob};

use super::blob::{Origin, fetch_blob};
use super::*;
use crate::pins::{ArtifactPin, Pin};
use crate::reference::Reference;
use landfall_test_registry::{Fault, Registry, digest};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

const QUICK: Retry = Retry {
    attempts: 3,
    first_wait: Duration::from_millis(1),
    longest_wait: Duration::from_millis(4),
    longest_stall: Duration::from_secs(45),
};

/// Progress that records its notes.
#[derive(Default)]
pub(crate) struct Notes(std::sync::Mutex<Vec<String>>);

impl Progress for Notes {
    fn event(&self, event: Event) {
        if let (Event::Note(note), Ok(mut notes)) = (event, self.0.lock()) {
            notes.push(note);
        }
    }
}

impl Notes {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().map(|notes| notes.clone()).unwrap_or_default()
    }
}

fn client() -> Client {
    Client::new(Registries::default(), DockerConfiguration::default(), QUICK)
}

/// Fetches manifests and everything that they name.
async fn fetch_all(
    client: &Client,
    store: &ContentStore,
    platform: &str,
    images: &[Pin],
    artifacts: &[ArtifactPin],
    notes: &Notes,
) -> crate::error::Result<FetchedContent> {
    let manifests = fetch_manifests(client, store, images, artifacts, notes).await?;
    fetch(client, store, platform, &manifests, notes).await
}

/// Bytes without repetition, so that a misplaced piece is detected.
fn bytes(length: u32) -> Vec<u8> {
    (0..length).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn expected_blob(bytes: &[u8]) -> ExpectedBlob {
    ExpectedBlob { digest: digest(bytes), size: bytes.len() as u64 }
}

fn reference(registry: &Registry) -> Reference {
    format!("{}/library/thing:1", registry.address()).parse().expect("reference")
}

/// Serves an image with these layers, and pins it.
fn image(registry: &Registry, name: &str, layers: &[&[u8]]) -> Pin {
    let digests: Vec<_> = layers.iter().map(|layer| digest(layer)).collect();
    let configuration = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": { "Labels": { "n": name } },
        "rootfs": { "type": "layers", "diff_ids": digests },
    });
    let configuration = configuration.to_string().into_bytes();
    let described: Vec<_> = layers
        .iter()
        .map(|layer| {
            let size = layer.len();
            serde_json::json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(layer),
                "size": size })
        })
        .collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&configuration),
            "size": configuration.len() },
        "layers": described,
    });
    layers.iter().copied().chain([configuration.as_slice()]).for_each(|blob| registry.add_blob(blob));
    let manifest = manifest.to_string().into_bytes();
    registry.add_manifest(name, "1", MANIFEST, &manifest);
    Pin {
        reference: format!("{}/{name}:1", registry.address()).parse().expect("reference"),
        digest: digest(&manifest),
        media_type: MANIFEST.into(),
        size: manifest.len() as u64,
        license: None,
        place: crate::Place::default(),
    }
}

#[tokio::test]
async fn dropped_connection_resumes_by_range() {
    let blob = bytes(1_000_000);
    let registry =
        Registry::start(|faults| faults.on_blobs([Fault::DropAfter(1_500_000), Fault::DropAfter(700_000)])).await;
    registry.add_blob(&blob);
    let folder = tempfile::tempdir().expect("folder");
    let store = ContentStore::at(folder.path());
    let notes = Notes::default();
    fetch_blob(&client(), Origin::Registry(&reference(&registry)), expected_blob(&blob), &store, &notes)
        .await
        .expect("fetched");
    assert_eq!(store.read(digest(&blob), u64::MAX).expect("stored"), blob);
    let ranges = registry.ranges();
    assert_eq!(ranges.len(), 3, "{ranges:?}");
    assert_eq!(ranges[0].as_deref(), Some("bytes=0-"));
    let second: u64 = ranges[1]
        .as_deref()
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
        .expect("range");
    assert!(second > 0 && second <= 1_500_000, "{second}");
    let resumes: Vec<_> = notes.all().into_iter().filter(|note| note.starts_with("resuming ")).collect();
    assert_eq!(resumes.len(), 2, "{resumes:?}");
    assert_eq!(resumes[0], format!("resuming {} at byte {second} by Range", digest(&blob)));
}

#[tokio::test]
async fn partial_blob_is_resumed() {
    let blob = bytes(500_000);
    let registry = Registry::start(|_| ()).await;
    registry.add_blob(&blob);
    let folder = tempfile::tempdir().expect("folder");
    let store = ContentStore::at(folder.path());
    let mut partial =
        store.partial(ExpectedBlob { digest: digest(&blob), size: 2_000_000 }).expect("opened").expect("lacking");
    partial.append(&blob[..1_234_567]).expect("begun");
    drop(partial);
    fetch_blob(&client(), Origin::Registry(&reference(&registry)), expected_blob(&blob), &store, &Notes::default())
        .await
        .expect("fetched");
    assert_eq!(registry.ranges(), [Some("bytes=1234567-".to_owned())]);
    assert!(store.contains(digest(&blob)));
}

#[tokio::test]
async fn ignored_range_restarts_transfer() {
    let blob = bytes(200_000);
    let registry = Registry::start(|faults| {
        faults.ignore_ranges();
        faults.on_blobs([Fault::DropAfter(300_000)]);
    })
    .await;
    registry.add_blob(&blob);
    let folder = tempfile::tempdir().expect("folder");
    let store = ContentStore::at(folder.path());
    fetch_blob(&client(), Origin::Registry(&reference(&registry)), expected_blob(&blob), &store, &Notes::default())
        .await
        .expect("fetched");
    assert_eq!(store.read(digest(&blob), u64::MAX).expect("stored"), blob);
}

#[tokio::test]
async fn transient_errors_are_retried() {
    let blob = bytes(10);
    let registry = Registry::start(|faults| faults.on_blobs([Fault::Status(503), Fault::Status(429)])).await;
    registry.add_blob(&blob);
    let folder = tempfile::tempdir().expect("folder");
    let store = ContentStore::at(folder.path());
    fetch_blob(&client(), Origin::Registry(&reference(&registry)), expected_blob(&blob), &store, &Notes::default())
        .await
        .expect("fetched");

    for (faults, code) in [
        (vec![Fault::Status(503); 3], codes::FETCH_FAILED),
        (vec![Fault::Status(429); 3], codes::RATE_LIMITED),
        (vec![Fault::Status(404)], codes::IMAGE_MISSING),
        (vec![Fault::Status(401); 2], codes::CREDENTIALS_REFUSED),
    ] {
        let registry = Registry::start(|plan| plan.on_blobs(faults)).await;
        let other = bytes(11);
        registry.add_blob(&other);
        let refused = fetch_blob(
            &client(),
            Origin::Registry(&reference(&registry)),
            expected_blob(&other),
            &store,
            &Notes::default(),
        )
        .await;
        assert_eq!(refused.expect_err("refused").code(), code);
    }
}

#[tokio::test]
async fn mismatched_blob_is_not_stored() {
    let blob = bytes(1000);
    let registry = Registry::start(|_| ()).await;
    let mut wrong = blob.clone();
    wrong[5] ^= 1;
    registry.add_blob_as(digest(&blob), &wrong);
    let folder = tempfile::tempdir().expect("folder");
    let store = ContentStore::at(folder.path());
    let refused =
        fetch_blob(&client(), Origin::Registry(&reference(&registry)), expected_blob(&blob), &store, &Notes::default())
            .await;
    assert_eq!(refused.expect_err("refused").code(), codes::BLOB_MISMATCH);
    assert!(!store.contains(digest(&blob)));
}

#[tokio::test]
async fn shared_blobs_are_fetched_once() {
    let registry = Registry::start(|_| ()).await;
    let shared = bytes(5000);
    let pins = [("a", bytes(10)), ("b", bytes(20))].map(|(name, own)| image(&registry, name, &[&shared, &own]));
    let folder = tempfile::tempdir().expect("folder");
    let store = ContentStore::at(folder.path());
    let fetched = fetch_all(&client(), &store, "linux/amd64", &pins, &[], &Notes::default()).await.expect("fetched");
    assert_eq!(fetched.images.len(), 2);
    assert_eq!(registry.ranges().len(), 5, "two configurations, two layers of their own, one shared");
    fetch_all(&client(), &store, "linux/amd64", &pins, &[], &Notes::default()).await.expect("nothing to fetch");
    assert_eq!(registry.ranges().len(), 5);
    let other = fetch_all(&client(), &store, "linux/arm64", &pins, &[], &Notes::default()).await;
    assert_eq!(other.expect_err("of another platform").code(), codes::ARTIFACT_INVALID);
    let moved = Pin { size: 1, ..pins[0].clone() };
    let new = ContentStore::at(folder.path().join("new"));
    let refused = fetch_all(&client(), &new, "linux/amd64", &[moved], &[], &Notes::default()).await;
    assert_eq!(refused.expect_err("of another size").code(), codes::FETCH_MISMATCH);
}

#[tokio::test]
async fn missing_tls_is_error() {
    let registry = Registry::start(|_| ()).await;
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("registries.yaml");
    let text = format!("mirrors: [{{host: ghcr.io, endpoint: 'https://{}'}}]", registry.address());
    landfall_media::durable::write_file(&file, text.as_bytes(), 0o644).expect("file");
    let client = Client::new(Registries::read(&file).expect("read"), DockerConfiguration::default(), QUICK);
    let reference = "ghcr.io/a/b:1".parse().expect("reference");
    let refused = client.manifest(&reference, &Notes::default()).await.expect_err("no TLS there");
    assert_eq!(refused.code(), codes::FETCH_FAILED);
}
