//! Untrusted support bundles: the archive, compressed and plain, and the analysis of its contents. Also the documents
//! next to one on a stick.
#![no_main]

use std::collections::BTreeMap;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use landfall_support::archive::{self, Contents, MAX_FILE_BYTES, MAX_FILES};
use landfall_support::carry::{CarryError, CarryManifest, SiteInventory};
use landfall_support::{Index, Redaction, analyze};
use libfuzzer_sys::fuzz_target;

/// The data that the analysis reads.
const ANALYZED: [&str; 6] = [
    "status.json",
    "facts.json",
    "cluster/pods.jsonl",
    "cluster/persistentvolumeclaims.jsonl",
    "journald/kernel.log",
    "host/units.txt",
];

fn read(bytes: &[u8]) {
    let Ok(contents) = archive::read(bytes) else { return };
    assert!(contents.files.len() <= MAX_FILES, "{} files", contents.files.len());
    assert_eq!(contents.files.len(), contents.index.files.len(), "a file is not described");
    for (name, bytes) in &contents.files {
        assert!(bytes.len() <= MAX_FILE_BYTES, "{name} has {} bytes", bytes.len());
        assert!(!name.starts_with('/') && !name.split('/').any(|part| part == ".."), "{name} leads elsewhere");
    }
    analyze::analyze(&contents);
}

/// A complete bundle in which every file has these bytes.
fn whole(bytes: &[u8]) -> Contents {
    let redaction = Redaction { known_values: 0, unknown: Vec::new() };
    let index = Index {
        collected_at: "2026-11-20T08:16:00Z".to_owned(),
        landfall: "1.0.0".to_owned(),
        since_seconds: 0,
        redaction,
        collectors: Vec::new(),
        files: Vec::new(),
    };
    let files: BTreeMap<_, _> = ANALYZED.iter().map(|name| ((*name).to_owned(), bytes.to_vec())).collect();
    Contents { index, files }
}

/// Without keys, no manifest is verified. A manifest that was read is written back unchanged.
fn carried(bytes: &[u8]) {
    if let Ok(manifest) = CarryManifest::read("carry.json", bytes) {
        assert!(matches!(manifest.verify(&[]), Err(CarryError::Signature)), "no key signed it");
        let written = manifest.to_bytes().expect("JSON");
        assert_eq!(CarryManifest::read("carry.json", &written).expect("what was written"), manifest);
    }
    let _ = SiteInventory::read("inventory.json", bytes);
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    carried(bytes);
    // libFuzzer cannot guess gzip checksums, so the bytes are compressed here.
    let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
    compressed.write_all(bytes).expect("memory");
    read(&compressed.finish().expect("memory"));
    analyze::analyze(&whole(bytes));
});
