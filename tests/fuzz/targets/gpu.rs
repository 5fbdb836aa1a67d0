//! The output of the program that reads GPU facts, as `landfall` reads it.
#![no_main]

use landfall_gpu_facts::GpuReport;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(report) = GpuReport::read(bytes) {
        let again = report.to_json().expect("a report that was read can be written");
        GpuReport::read(again.as_bytes()).expect("a report that was written can be read");
    }
});
