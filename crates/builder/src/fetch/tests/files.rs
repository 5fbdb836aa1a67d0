use landfall_bundle_spec::Sha256;

use super::*;
use crate::Place;
use crate::file_url::FileUrl;
use crate::pins::{ArtifactPin, FilePin, FileSource, FilesPin, Form, Take};

fn url(text: &str) -> FileUrl {
    text.parse().expect("address")
}

fn measured_file(bytes: &[u8]) -> MeasuredFile {
    MeasuredFile { digest: digest(bytes), size: bytes.len() as u64 }
}

fn pin(url: FileUrl, digest: Sha256, size: u64) -> ArtifactPin {
    let place = Place::field(std::path::Path::new("images.lock"), 7, "artifacts[0].files[0]");
    let (source, take) = (FileSource::Url(url), Take::Whole("kubelet".into()));
    let file = FilePin { source, digest, size, take, commit: None, place: place.clone() };
    let reference = "dl.example/node:1".parse().expect("reference");
    ArtifactPin::Files(FilesPin { reference, files: vec![file], form: Form::Files, license: None, place })
}

/// Measures a file with a new store.
async fn measure(url: &FileUrl, notes: &Notes) -> crate::error::Result<MeasuredFile> {
    let folder = tempfile::tempdir().expect("folder");
    let store = ContentStore::at(folder.path());
    let measured = client().measure(url, &store, notes).await?;
    assert!(store.contains(measured.digest), "what was fetched is kept");
    Ok(measured)
}

async fn fetch_one(store: &ContentStore, pin: ArtifactPin, notes: &Notes) -> crate::error::Result<FetchedContent> {
    fetch_all(&client(), store, "linux/amd64", &[], &[pin], notes).await
}

#[tokio::test]
async fn measuring_resumes_by_range() {
    let bytes = bytes(1_000_000);
    let server =
        Registry::start(|faults| faults.on_files([Fault::DropAfter(1_500_000), Fault::DropAfter(700_000)])).await;
    let url = url(&server.add_file("kubelet", &bytes));
    let notes = Notes::default();
    assert_eq!(measure(&url, &notes).await.expect("measured"), measured_file(&bytes));
    let ranges = server.file_ranges();
    assert_eq!((ranges.len(), &ranges[0]), (3, &None), "{ranges:?}");
    assert!(ranges[1..].iter().all(|range| range.as_deref().is_some_and(|range| range != "bytes=0-")), "{ranges:?}");
    assert_eq!(notes.all().iter().filter(|note| note.starts_with("resuming http://")).count(), 2);
}

#[tokio::test]
async fn versions_are_never_joined() {
    let (old, new) = (bytes(500_000), vec![9; 3_000_000]);
    let server = Registry::start(|faults| faults.on_files([Fault::ChangeAfter(1_000_000, vec![9; 3_000_000])])).await;
    let changed = url(&server.add_file("kubelet", &old));
    assert_eq!(measure(&changed, &Notes::default()).await.expect("measured"), measured_file(&new));
    assert!(server.file_ranges()[1].is_some(), "the rest is requested conditionally");

    let server = Registry::start(|faults| {
        faults.no_versions();
        faults.on_files([Fault::ChangeAfter(1_000_000, vec![9; 3_000_000])]);
    })
    .await;
    let changed = url(&server.add_file("kubelet", &old));
    assert_eq!(measure(&changed, &Notes::default()).await.expect("measured"), measured_file(&new));
    assert_eq!(server.file_ranges(), [None, None], "without a version there is nothing to resume");
}

#[tokio::test]
async fn repeated_drops_are_given_up() {
    let server = Registry::start(|faults| {
        faults.no_versions();
        faults.on_files(vec![Fault::DropAfter(1000); 10]);
    })
    .await;
    let url = url(&server.add_file("kubelet", &bytes(1000)));
    let refused = measure(&url, &Notes::default()).await.expect_err("given up");
    assert_eq!(refused.code(), codes::FETCH_FAILED);
    assert_eq!(server.file_ranges().len(), QUICK.attempts as usize);
}

#[tokio::test]
async fn pinned_file_resumes_into_store() {
    let bytes = bytes(1_000_000);
    let server = Registry::start(|faults| faults.on_files([Fault::DropAfter(1_500_000)])).await;
    let url = url(&server.add_file("kubelet", &bytes));
    let folder = tempfile::tempdir().expect("folder");
    let store = ContentStore::at(folder.path());
    let pin = pin(url.clone(), digest(&bytes), bytes.len() as u64);
    let notes = Notes::default();
    let fetched = fetch_one(&store, pin.clone(), &notes).await.expect("fetched");
    assert_eq!(store.read(digest(&bytes), u64::MAX).expect("stored"), bytes);
    let ranges = server.file_ranges();
    assert_eq!(ranges.len(), 2, "{ranges:?}");
    assert!(ranges[1].is_some());
    assert!(notes.all().iter().any(|note| note.starts_with(&format!("resuming {}", digest(&bytes)))));

    let manifest: serde_json::Value = serde_json::from_slice(
        &store.read(fetched.artifacts[0].pin.digest, fetched.artifacts[0].pin.size).expect("manifest"),
    )
    .expect("JSON");
    let annotations = &manifest["layers"][0]["annotations"];
    assert_eq!(annotations["org.opencontainers.image.title"], "kubelet");
    assert_eq!(annotations["dev.landfall.source"], url.to_string());
    assert_eq!(annotations["dev.landfall.source.digest"], digest(&bytes).to_string());

    // Nothing is fetched again, and the result is the same manifest.
    let again = fetch_one(&store, pin, &notes).await.expect("at hand");
    assert_eq!(again.artifacts[0].pin, fetched.artifacts[0].pin);
    assert_eq!(server.file_ranges().len(), 2);
}

#[tokio::test]
async fn file_server_faults_are_located() {
    let bytes = bytes(1000);
    let size = bytes.len() as u64;
    let other = Sha256([7; 32]);
    let mut refusals = Vec::new();
    for (fault, digest, size) in [
        (None, other, size),
        (None, digest(&bytes), size - 1),
        (None, digest(&bytes), size + 1),
        (Some(Fault::Status(404)), digest(&bytes), size),
        (Some(Fault::Status(403)), digest(&bytes), size),
        (Some(Fault::Status(400)), digest(&bytes), size),
        (Some(Fault::Redirect("http://192.0.2.1/kubelet".into())), digest(&bytes), size),
        (Some(Fault::Redirect("ftp://127.0.0.1/kubelet".into())), digest(&bytes), size),
    ] {
        let server = Registry::start(|faults| faults.on_files(fault)).await;
        let url = url(&server.add_file("kubelet", &bytes));
        let folder = tempfile::tempdir().expect("folder");
        let store = ContentStore::at(folder.path());
        let error = fetch_one(&store, pin(url, digest, size), &Notes::default()).await.expect_err("refused");
        assert!(!store.contains(digest));
        let mut text = format!("{} {error}", error.code().id);
        let mut cause = std::error::Error::source(&error);
        while let Some(found) = cause {
            text = format!("{text}: {found}");
            cause = found.source();
        }
        refusals.push(text.replace(&server.address().to_string(), "SERVER"));
    }
    insta::assert_snapshot!(refusals.join("\n"));
}

#[tokio::test]
async fn loopback_redirect_is_followed() {
    let bytes = bytes(1000);
    let target = Registry::start(|_| ()).await;
    let address = target.add_file("elsewhere", &bytes);
    let server = Registry::start(|faults| faults.on_files([Fault::Redirect(address)])).await;
    let url = url(&server.add_file("kubelet", b"not this"));
    assert_eq!(measure(&url, &Notes::default()).await.expect("measured"), measured_file(&bytes));
}
