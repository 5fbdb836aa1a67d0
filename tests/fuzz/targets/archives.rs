//! Archives from which an artifact takes members by name: no other member is taken, and none beyond the limits.
#![no_main]

#[allow(dead_code, reason = "the target names no layers")]
#[path = "../../../crates/builder/src/files/archive.rs"]
mod archive;
#[allow(dead_code, reason = "the target names no layers")]
#[path = "../../../crates/builder/src/compression.rs"]
mod compression;
#[allow(dead_code, reason = "some errors cannot occur here")]
#[path = "../../../crates/builder/src/error.rs"]
mod error;
#[path = "../../../crates/builder/src/record.rs"]
mod record;

use archive::{Limits, members};
use compression::Compression;
use landfall_media::store::ContentStore;
use libfuzzer_sys::fuzz_target;

/// The names in the seeds, and one that is in none of them.
const WANTED: [&str; 2] = ["a", "b/c"];

const LIMITS: Limits = Limits { entries: 50, member_bytes: 64 << 10, unpacked_bytes: 1 << 20 };

/// A folder in memory if possible, because every extracted member is synced.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

fuzz_target!(|bytes: &[u8]| {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let folder = folder();
        let store = ContentStore::at(folder.path());
        let archive = store.ingest_bytes(bytes).expect("the store takes any bytes").sha256;
        let Ok(found) = members(&store, "archive.tar", archive, compression, &WANTED, LIMITS) else { continue };
        assert!(found.keys().map(String::as_str).eq(WANTED), "{found:?} was taken");
        for member in found.values() {
            let taken = store.read(member.digest, LIMITS.member_bytes).expect("what was taken is in the store");
            assert_eq!(taken.len() as u64, member.size, "a member has another size");
        }
        // The second time, it comes from the record.
        let again = members(&store, "archive.tar", archive, compression, &WANTED, LIMITS).expect("the record");
        assert_eq!(again.len(), found.len());
    }
});
