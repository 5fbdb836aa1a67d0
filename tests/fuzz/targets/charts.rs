//! Archives of charts: only plain files with plain names are extracted, within the limits, whatever the archive
//! contains.
#![no_main]

#[allow(dead_code, reason = "the target reads no folders")]
#[path = "../../../crates/builder/src/charts/files.rs"]
mod chart_files;
#[allow(dead_code, reason = "the target names no layers")]
#[path = "../../../crates/builder/src/compression.rs"]
mod compression;
#[allow(dead_code, reason = "some errors cannot occur here")]
#[path = "../../../crates/builder/src/error.rs"]
mod error;
#[allow(dead_code, reason = "the target names no files of artifacts")]
#[path = "../../../crates/builder/src/paths.rs"]
mod paths;

use chart_files::{ChartFiles, Limits};
use libfuzzer_sys::fuzz_target;

/// Small enough to be reached by small inputs.
const LIMITS: Limits = Limits { members: 50, file_bytes: 64 << 10, unpacked_bytes: 1 << 20, depth: 3 };

fuzz_target!(|bytes: &[u8]| {
    let Ok(files) = ChartFiles::of_archive("chart.tgz", bytes, LIMITS) else { return };
    let unpacked: usize = files.0.values().map(Vec::len).sum();
    assert!(unpacked as u64 <= LIMITS.unpacked_bytes, "{unpacked} bytes were unpacked");
    assert!(files.0.len() <= LIMITS.members, "{} files were unpacked", files.0.len());
    for (path, bytes) in &files.0 {
        assert!(names::is_relative(path), "{path:?} leads out of the chart");
        assert!(bytes.len() as u64 <= LIMITS.file_bytes, "{path:?} has {} bytes", bytes.len());
    }
    for folder in files.charts() {
        let _ = files.text(&format!("{folder}Chart.yaml"));
    }
});
