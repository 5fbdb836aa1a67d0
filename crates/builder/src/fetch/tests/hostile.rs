//! Hostile or broken registries and servers: each fault fails soon with its own error code, and no wrong content is
//! kept.

use std::time::Instant;

use super::*;
use crate::file_url::FileUrl;

/// Less than the longest allowed silence of a server, but more than its responses take.
const STALL: Duration = Duration::from_millis(400);

/// Time for three attempts with full waits, plus a margin for a busy machine; far less than the servers would continue.
const SOON: Duration = Duration::from_secs(10);

fn impatient() -> Client {
    Client::new(Registries::default(), DockerConfiguration::default(), Retry { longest_stall: STALL, ..QUICK })
}

/// Repeats a fault for many consecutive responses.
fn always(fault: &Fault) -> Vec<Fault> {
    vec![fault.clone(); 20]
}

#[tokio::test]
async fn faulty_manifests_are_given_up() {
    for (fault, code) in [
        (Fault::Endless, codes::BODY_TOO_LONG),
        (Fault::StallAfter(5), codes::BODY_STALLED),
        (Fault::Trickle, codes::BODY_STALLED),
    ] {
        let registry = Registry::start(|faults| faults.on_manifests(always(&fault))).await;
        let pin = image(&registry, "library/thing", &[&bytes(10)]);
        let begun = Instant::now();
        let refused = impatient().manifest(&pin.reference, &Notes::default()).await.expect_err("refused");
        assert_eq!(refused.code(), code, "{fault:?}: {refused}");
        assert!(begun.elapsed() < SOON, "{fault:?}: {:?}", begun.elapsed());
    }
}

/// The lock of an earlier version may pin such an image.
#[tokio::test]
async fn foreign_layer_is_refused_before_fetch() {
    let registry = Registry::start(|_| ()).await;
    let pin = image(&registry, "library/thing", &[&bytes(10)]);
    let folder = tempfile::tempdir().expect("folder");
    let store = ContentStore::at(folder.path());
    let raw = client().manifest(&pin.reference, &Notes::default()).await.expect("manifest");
    let mut manifest: serde_json::Value = serde_json::from_slice(&raw.bytes).expect("JSON");
    manifest["layers"][0]["urls"] = serde_json::json!(["https://layers.example/base"]);
    let manifest = manifest.to_string().into_bytes();
    registry.add_manifest("library/thing", "1", MANIFEST, &manifest);
    let pin = Pin { digest: digest(&manifest), size: manifest.len() as u64, ..pin };
    let refused = fetch_manifests(&client(), &store, &[pin], &[], &Notes::default()).await.expect_err("refused");
    assert_eq!(refused.code(), codes::FOREIGN_LAYER);
    assert!(registry.ranges().is_empty() && !store.contains(digest(&manifest)));
}

#[tokio::test]
async fn endless_blobs_are_refused() {
    let blob = bytes(500_000);
    for (fault, code) in [
        (Fault::Endless, codes::BODY_TOO_LONG),
        (Fault::StallAfter(1000), codes::BODY_STALLED),
        (Fault::Trickle, codes::BODY_STALLED),
    ] {
        let registry = Registry::start(|faults| faults.on_blobs(always(&fault))).await;
        registry.add_blob(&blob);
        let folder = tempfile::tempdir().expect("folder");
        let store = ContentStore::at(folder.path());
        let (origin, notes, begun) = (reference(&registry), Notes::default(), Instant::now());
        let refused = fetch_blob(&impatient(), Origin::Registry(&origin), expected_blob(&blob), &store, &notes).await;
        let refused = refused.expect_err("refused");
        assert_eq!(refused.code(), code, "{fault:?}: {refused}");
        assert!(begun.elapsed() < SOON, "{fault:?}: {:?}", begun.elapsed());
        assert!(!store.contains(digest(&blob)), "{fault:?}");
        let partial = store.root().join("landfall/partial").join(digest(&blob).to_hex());
        assert_eq!(partial.exists(), code == codes::BODY_STALLED, "{fault:?}");
        if matches!(fault, Fault::StallAfter(_)) {
            let ranges = registry.ranges();
            assert_eq!(ranges.len(), 3, "a few bytes count as progress: {ranges:?}");
            assert_eq!(ranges[2].as_deref(), Some("bytes=2000-"), "what came is continued");
        }
    }
}

#[tokio::test]
async fn productive_stalls_are_resumed() {
    let blob = bytes(1_600_000);
    let stalls = [1_100_000, 1_100_000, 1_100_000, 1_100_000].map(Fault::StallAfter);
    let registry = Registry::start(|faults| faults.on_blobs(stalls)).await;
    registry.add_blob(&blob);
    let folder = tempfile::tempdir().expect("folder");
    let store = ContentStore::at(folder.path());
    let (origin, notes) = (reference(&registry), Notes::default());
    fetch_blob(&impatient(), Origin::Registry(&origin), expected_blob(&blob), &store, &notes).await.expect("fetched");
    assert_eq!(registry.ranges().len(), 5);
    let notes = notes.all();
    assert!(notes.iter().any(|note| note.contains(" stalled (it sent only ")), "{notes:?}");
}

#[tokio::test]
async fn half_range_of_blob_is_refused() {
    let blob = bytes(500_000);
    let registry = Registry::start(|faults| faults.on_blobs([Fault::DropAfter(700_000), Fault::HalfRange])).await;
    registry.add_blob(&blob);
    let folder = tempfile::tempdir().expect("folder");
    let store = ContentStore::at(folder.path());
    let (origin, notes) = (reference(&registry), Notes::default());
    let client = client();
    let fetch = async || fetch_blob(&client, Origin::Registry(&origin), expected_blob(&blob), &store, &notes).await;
    let refused = fetch().await.expect_err("half of the rest");
    assert_eq!(refused.code(), codes::RANGE_WRONG, "{refused}");
    assert!(!store.contains(digest(&blob)));
    // The first part is correct; the rest is appended to it.
    fetch().await.expect("fetched");
    assert_eq!(store.read(digest(&blob), u64::MAX).expect("stored"), blob);
}

#[tokio::test]
async fn stalled_file_is_not_kept() {
    for fault in [Fault::StallAfter(1000), Fault::Trickle] {
        let server = Registry::start(|faults| faults.on_files(always(&fault))).await;
        let url: FileUrl = server.add_file("kubelet", &bytes(500_000)).parse().expect("address");
        let folder = tempfile::tempdir().expect("folder");
        let store = ContentStore::at(folder.path());
        let begun = Instant::now();
        let refused = impatient().measure(&url, &store, &Notes::default()).await.expect_err("refused");
        assert_eq!(refused.code(), codes::BODY_STALLED, "{fault:?}: {refused}");
        assert!(begun.elapsed() < SOON, "{fault:?}: {:?}", begun.elapsed());
        assert!(!store.contains(digest(&bytes(500_000))), "{fault:?}");
    }
}

#[tokio::test]
async fn half_range_of_file_is_resumed() {
    let bytes = bytes(500_000);
    let server = Registry::start(|faults| faults.on_files([Fault::DropAfter(700_000), Fault::HalfRange])).await;
    let url: FileUrl = server.add_file("kubelet", &bytes).parse().expect("address");
    let folder = tempfile::tempdir().expect("folder");
    let measured = client().measure(&url, &ContentStore::at(folder.path()), &Notes::default()).await;
    assert_eq!(measured.expect("joined").digest, digest(&bytes));
    assert_eq!(server.file_ranges().len(), 3);
}

#[tokio::test]
async fn schema_1_images_are_refused() {
    let signed = br#"{"schemaVersion": 1, "name": "library/thing", "tag": "1",
        "fsLayers": [], "history": [], "signatures": []}"#;
    let plain = br#"{"schemaVersion": 1, "name": "library/thing", "tag": "1", "fsLayers": [], "history": []}"#;
    for (kind, bytes) in [("prettyjws", &signed[..]), ("json", &plain[..])] {
        let media_type = format!("application/vnd.docker.distribution.manifest.v1+{kind}");
        let registry = Registry::start(|_| ()).await;
        registry.add_manifest("library/thing", "1", &media_type, bytes);
        let refused = client().manifest(&reference(&registry), &Notes::default()).await.expect_err("schema 1");
        assert_eq!(refused.code(), codes::IMAGE_SCHEMA_1);
        let said = format!("{} is an image of Docker's schema 1 ({media_type})", reference(&registry));
        assert_eq!(refused.to_string(), said);
    }
}
