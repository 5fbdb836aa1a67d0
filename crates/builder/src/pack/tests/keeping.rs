//! Content that the store keeps after a build refuses it.

use std::collections::BTreeSet;

use landfall_bundle_spec::Sha256;
use landfall_media::store::ContentStore;

use super::*;

/// An image of the release.
const DATABASE: &str = IMAGES[7];

/// All files of a store.
fn list_files(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs_err::read_dir(folder).expect("listed").map(|entry| entry.expect("entry").path());
    entries.flat_map(|path| if path.is_dir() { list_files(&path) } else { BTreeSet::from([path]) }).collect()
}

/// Asserts that two lists are equal, and shows only the differences. Records of this machine's programs are ignored,
/// because they are written as soon as the programs are old enough.
fn assert_same(after: &BTreeSet<PathBuf>, before: &BTreeSet<PathBuf>) {
    let mut differs: Vec<_> = after.symmetric_difference(before).collect();
    differs.retain(|path| path.components().all(|part| part.as_os_str() != "programs"));
    assert!(differs.is_empty(), "{differs:?}");
}

/// Replaces the image with one that has these layers and a wrong diff ID for the last of them; returns its manifest.
fn push_lying_image(bench: &Bench, layers: &[Vec<u8>]) -> Value {
    let mut manifest = bench.manifest_of("amd64", false, layers);
    let mut stated: Vec<_> = layers.iter().map(|layer| digest(layer)).collect();
    *stated.last_mut().expect("a layer") = digest(b"something else");
    let configuration = json!({
        "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": stated },
    });
    let configuration = configuration.to_string().into_bytes();
    bench.registry.add_blob(&configuration);
    manifest["config"]["digest"] = json!(digest(&configuration));
    manifest["config"]["size"] = json!(configuration.len());
    bench.push(DATABASE, &manifest);
    manifest
}

impl Bench {
    /// Pins the current manifests of the tags.
    async fn lock_again(&self) {
        self.write("release/images.lock", lock_text(false).as_bytes(), 0o644);
        self.lock().await.expect("locked");
    }
}

#[tokio::test]
async fn lying_image_is_not_kept() {
    let bench = Bench::new(true, false).await;
    let (shared, own) = (tar_of(IMAGES[6]), tar_of("of the lying image alone"));
    let manifest = push_lying_image(&bench, &[shared.clone(), own.clone()]);
    bench.lock().await.expect("locked");
    let refusal = bench.refusal().await;
    assert!(refusal.starts_with("LF2117 "), "{refusal}");
    let store = ContentStore::at(bench.path("store"));
    let configuration: Sha256 = manifest["config"]["digest"].as_str().expect("digest").parse().expect("digest");
    for forgotten in [digest(manifest.to_string().as_bytes()), configuration, digest(&own)] {
        assert!(!store.contains(forgotten), "{forgotten}");
    }
    assert!(store.contains(digest(&shared)));
    let names = list_files(store.root());
    assert!(!names.iter().any(|path| path.ends_with(digest(&own).to_hex())), "{names:?}");

    // It is refused again, and the correct image is fetched again.
    assert!(bench.refusal().await.starts_with("LF2117 "));
    bench.push_image(DATABASE, false);
    bench.lock_again().await;
    bench.build().await.expect("built");
}

#[tokio::test]
async fn lying_image_spares_built_release() {
    let bench = Bench::new(true, false).await;
    bench.lock().await.expect("locked");
    let report = bench.build().await.expect("built");
    let before = list_files(&bench.path("store"));
    let pinned = fs_err::read(bench.path("release/images.lock")).expect("lock");
    push_lying_image(&bench, &[tar_of(DATABASE), tar_of("of the lying image alone")]);
    bench.lock_again().await;
    let refused = bench.build().await.expect_err("refused");
    assert_eq!(refused.code(), codes::LAYER_MISMATCH);
    assert_same(&list_files(&bench.path("store")), &before);

    let asked = bench.registry.requests();
    bench.write("release/images.lock", &pinned, 0o644);
    assert_eq!(bench.build().await.expect("built again").id, report.id);
    assert_eq!(bench.registry.requests(), asked, "all of it is in the store");
}

#[tokio::test]
async fn refused_model_is_not_kept() {
    let bench = Bench::new(true, false).await;
    bench.lock().await.expect("locked");
    bench.build().await.expect("built");
    let before = list_files(&bench.path("store"));
    let (mut weights, file_bytes) = landfall_models::sample::safetensors(&[("a", "BF16", &[1000, 8], 16_000)]);
    weights.resize(usize::try_from(file_bytes).expect("small") - 1, 7);
    bench.push_files(ARTIFACTS[1].0, &[("model.safetensors", &weights), ("README.md", b"a model")]);
    bench.lock_again().await;
    assert_eq!(bench.build().await.expect_err("refused").code(), codes::MODEL_HEADER);
    assert_same(&list_files(&bench.path("store")), &before);
}
