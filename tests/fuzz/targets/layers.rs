//! Layers of images, compressed in every way that Landfall knows: their unpacked content is counted, whatever it is.
#![no_main]

#[allow(dead_code, reason = "the target names no archives")]
#[path = "../../../crates/builder/src/compression.rs"]
mod compression;
#[path = "../../../crates/builder/src/unpacked.rs"]
mod unpacked;

use std::io::Read as _;

use compression::Compression;
use libfuzzer_sys::fuzz_target;

/// Maximum bytes that an input may unpack to here: a few kilobytes of gzip or Zstandard can become gigabytes.
const UNPACKED_BYTES: u64 = 16 << 20;

fuzz_target!(|bytes: &[u8]| {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let count = || unpacked::read(compression.reader(bytes).take(UNPACKED_BYTES), |_| Ok(()));
        if let (Ok(one), Ok(other)) = (count(), count()) {
            assert_eq!(one, other, "a layer was counted twice, and differently");
        }
    }
});
