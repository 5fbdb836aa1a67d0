//! `SHA256SUMS` of a stick that other software wrote to. Lines of other files keep their content and order.
#![no_main]

use landfall_media::parts::sums::without;
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 2] = ["starter-1.0.0.landfall", "starter-1.0.0.head"];

fuzz_target!(|bytes: &[u8]| {
    let all = without(bytes.to_vec(), &[]);
    assert!(all.starts_with(bytes) && all.len() <= bytes.len() + 1, "a list is more than its bytes and a line end");
    let kept = without(bytes.to_vec(), &NAMES);
    assert_eq!(without(kept.clone(), &NAMES), kept, "a line was left");
    let mut lines = all.split_inclusive(|byte| *byte == b'\n');
    for line in kept.split_inclusive(|byte| *byte == b'\n') {
        assert!(lines.any(|other| other == line), "a line was changed or moved");
    }
    // A line written for a file is found again, whatever precedes it.
    let own = format!("{}  {}\n", "0".repeat(64), NAMES[0]);
    assert_eq!(without([&kept[..], own.as_bytes()].concat(), &NAMES), kept, "a line of its own was left");
});
