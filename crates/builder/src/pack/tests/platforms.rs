//! One definition for two platforms: the same upstream, one index per image, two locks, two bundles in one folder.

use landfall_release_document::ReleaseDocument;

use super::*;
use crate::manifest::OCI_INDEX;

const PLATFORMS: [&str; 2] = ["amd64", "arm64"];

/// Pushes each image for both platforms under one tag.
fn push_indexes(bench: &Bench) {
    for reference in IMAGES {
        let (repository, tag) = reference.rsplit_once(':').expect("tag");
        let manifests = PLATFORMS.map(|architecture| {
            let layers = [tar_of(&format!("{reference} for {architecture}"))];
            let manifest = bench.manifest_of(architecture, false, &layers).to_string().into_bytes();
            bench.registry.add_manifest(repository, architecture, MANIFEST, &manifest);
            json!({
                "mediaType": MANIFEST, "digest": digest(&manifest), "size": manifest.len(),
                "platform": { "os": "linux", "architecture": architecture },
            })
        });
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests }).to_string();
        bench.registry.add_manifest(repository, tag, OCI_INDEX, index.as_bytes());
    }
}

/// Switches the definition, lock and programs of the bench to a platform.
fn turn_to(bench: &Bench, architecture: &str) {
    let definition = bench.text("release/release.yaml");
    let (from, to) = ("platform: linux/amd64", format!("platform: linux/{architecture}"));
    bench.write("release/release.yaml", definition.replace(from, &to).as_bytes(), 0o644);
    bench.write("release/images.lock", lock_text(false).replace(from, &to).as_bytes(), 0o644);
    let mut program = crate::executables::program(&[(object::elf::PT_LOAD, b"stands for the program")]);
    if architecture == "arm64" {
        program[18..20].copy_from_slice(&object::elf::EM_AARCH64.to_le_bytes());
    }
    bench.write("landfall", &program, 0o755);
}

#[tokio::test]
async fn platforms_share_output_folder() {
    let bench = Bench::new(false, false).await;
    push_indexes(&bench);
    bench.lock().await.expect("locked");
    let first = bench.build().await.expect("built");
    turn_to(&bench, "arm64");
    bench.lock().await.expect("locked");
    let second = bench.build().await.expect("built");
    assert_eq!((second.superseded.len(), second.kept.as_deref()), (0, None), "{:?}", second.superseded);

    let anchor = TrustAnchor::Fingerprint(first.fingerprint);
    for (report, architecture) in [(&first, "amd64"), (&second, "arm64")] {
        let head = head(&bench.path("out"), report, &anchor);
        let release = ReleaseDocument::read(head.small_document("documents/release.json").expect("release"));
        assert_eq!(release.expect("read").platform, format!("linux/{architecture}"));
        let travels = |for_other: bool| {
            let wanted = PLATFORMS.into_iter().find(|other| (*other != architecture) == for_other).expect("one");
            let layer = digest(&tar_of(&format!("{} for {wanted}", IMAGES[7])));
            head.blobs().entries().iter().any(|entry| entry.sha256 == layer)
        };
        assert!(travels(false) && !travels(true), "{architecture}");
    }

    // An unchanged bundle is kept; a changed one replaces it, and that of the other platform stays.
    assert!(bench.build().await.expect("kept").kept.is_some());
    bench.edit("release/manifests/database/objects.yaml", "replicas: 1", "replicas: 2");
    let third = bench.build().await.expect("built");
    assert_eq!(third.superseded.len(), 1, "{:?}", third.superseded);
    assert!(bench.path("out").join(&file_with_extension(&first, "head").name).exists());
    assert!(!bench.path("out").join(&file_with_extension(&second, "head").name).exists());
}

#[tokio::test]
async fn image_of_other_platform_is_refused() {
    let bench = Bench::new(false, false).await;
    push_indexes(&bench);
    let manifest = bench.manifest_of("amd64", false, &[tar_of("a lie")]);
    bench.push("ghcr.io/small/database:1", &manifest);
    turn_to(&bench, "arm64");
    bench.lock().await.expect("locked");
    let refusal = bench.refusal().await;
    assert!(refusal.contains("is for linux/amd64, the release for linux/arm64"), "{refusal}");
}
