//! The documents of a head, and JSON of any shape, each within its budget.
#![no_main]

use landfall_bundle_spec::blobs::BlobsDocument;
use landfall_bundle_spec::{Budget, parts, read_any};
use landfall_release_document::{HostPackDocument, ReleaseDocument};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = ReleaseDocument::read(bytes);
    if let Ok(pack) = HostPackDocument::read(bytes) {
        let _ = pack.recipe("debian 12");
    }
    let _ = BlobsDocument::read(bytes);
    let _ = read_any("document.json", bytes, &Budget::new(1));
    if let Ok(name) = std::str::from_utf8(bytes) {
        let _ = parts::BundleName::parse(name);
    }
});
