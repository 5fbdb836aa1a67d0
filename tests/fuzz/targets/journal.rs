//! A journal after any damage by a disk. The valid part must be a prefix of what was read.
#![no_main]

use std::path::Path;

use landfall_engine::journal::record::decode;
use landfall_engine::journal::{Outline, Replay};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(decoded) = decode(bytes) {
        let length = bytes.len() as u64;
        assert_eq!(decoded.valid_bytes + decoded.torn_bytes, length, "bytes are neither valid nor torn");
    }
    let _ = Replay::<Outline>::of(bytes, Path::new("a.journal"));
});
