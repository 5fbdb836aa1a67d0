//! Manifests, indexes and configurations of images, as a registry sends them.
#![no_main]

// The file rather than its crate, because the crate would bring HTTP and TLS into the build for libFuzzer.
#[allow(dead_code, reason = "the target uses only what reads bytes")]
#[path = "../../../crates/builder/src/manifest.rs"]
mod manifest;

use landfall_bundle_spec::Sha256;
use libfuzzer_sys::fuzz_target;
use manifest::{ImageConfiguration, IndexDocument, ManifestDocument};

fuzz_target!(|bytes: &[u8]| {
    let _ = manifest::media_type_of(bytes);
    if let Ok(document) = serde_json::from_slice::<ManifestDocument>(bytes) {
        for described in document.layers.iter().chain([&document.config]) {
            let again = described.descriptor().digest.to_string().parse::<Sha256>();
            assert_eq!(again.ok(), Some(described.digest), "a digest has two spellings");
        }
    }
    if let Ok(index) = serde_json::from_slice::<IndexDocument>(bytes) {
        let stated = index.manifests.iter().filter_map(|entry| entry.platform.as_ref());
        for wanted in stated.filter(|platform| !platform.is_unstated()).map(ToString::to_string) {
            assert!(index.for_platform(&wanted).is_some(), "{wanted} is not found");
        }
    }
    let _ = serde_json::from_slice::<ImageConfiguration>(bytes);
});
