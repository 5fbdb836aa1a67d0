//! Package databases of images, as in upstream's layers, and the document in which a head lists their packages.
#![no_main]

use landfall_inventory::read::{Found, Source, read};
use landfall_inventory::{InventoryDocument, limits};
use libfuzzer_sys::fuzz_target;

const SOURCES: [Source; 7] = [
    Source::Dpkg,
    Source::Apk,
    Source::Python,
    Source::Npm,
    Source::OsRelease,
    Source::Rpm,
    Source::Copyright,
];

fuzz_target!(|bytes: &[u8]| {
    for source in SOURCES {
        match read(source, bytes.len() as u64, bytes).expect("bytes in memory can be read") {
            Found::Packages(packages) => {
                assert!(packages.len() <= limits::PACKAGES, "{} packages", packages.len());
                for package in packages {
                    let texts = [Some(package.name), Some(package.version), package.architecture, package.license];
                    for text in texts.into_iter().flatten() {
                        let is_plain = !text.is_empty() && !text.chars().any(char::is_control);
                        assert!(is_plain && text.len() <= limits::TEXT_BYTES, "{source:?}: {text:?}");
                    }
                }
            }
            Found::System(_) => assert_eq!(source, Source::OsRelease),
            Found::License(text) | Found::Unread(text) => {
                let is_plain = !text.chars().any(char::is_control);
                assert!(is_plain && text.len() <= limits::TEXT_BYTES, "{source:?}: {text:?}");
            }
        }
    }
    if let Ok(document) = InventoryDocument::read(bytes) {
        let again = document.to_bytes().expect("a document that was read can be written");
        assert_eq!(InventoryDocument::read(&again).expect("a document that was written can be read"), document);
    }
});
