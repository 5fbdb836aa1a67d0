//! A journal after whatever a disk did to it. What is valid must be a prefix of what was read.
#![no_main]

use std::path::Path;

use landfall_engine::journal::record::decode;
use landfall_engine::journal::{Pinned, Replay};
use landfall_engine::plan::{Operation, StepId};
use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};

/// What every operation is pinned to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Outline {
    operation: Operation,
    steps: Vec<StepId>,
}

impl Pinned for Outline {
    fn operation(&self) -> Operation {
        self.operation
    }

    fn steps(&self) -> &[StepId] {
        &self.steps
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(decoded) = decode(bytes) {
        let length = bytes.len() as u64;
        assert_eq!(decoded.valid_bytes + decoded.torn_bytes, length, "bytes are neither valid nor torn");
    }
    let _ = Replay::<Outline>::of(bytes, Path::new("a.journal"));
});
