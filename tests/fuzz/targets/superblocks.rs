//! The first bytes of a device that a user connects: they determine its filesystem, if Landfall mounts that.
#![no_main]

#[allow(dead_code, reason = "the target opens no device")]
#[path = "../../../crates/site/src/removable/filesystem.rs"]
mod filesystem;
#[path = "../../../crates/site/src/removable/medium_id.rs"]
mod medium;

use filesystem::Filesystem;
use libfuzzer_sys::fuzz_target;
use medium::medium_id;

fuzz_target!(|bytes: &[u8]| {
    let Some(found) = Filesystem::parse(bytes) else { return };
    assert!(!found.id.is_empty() && !found.kind.name().is_empty());
    // Bytes beyond those that are read change nothing.
    let longer = [bytes, &[0; 512]].concat();
    let again = Filesystem::parse(&longer).expect("what is known stays known with more bytes");
    assert_eq!(again, found, "bytes after the end changed it");
});
