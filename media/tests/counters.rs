//! Every byte once: building, verifying and staging a bundle of 300 MiB, counted by this crate and by the kernel.
//!
//! A test binary of its own, with one test, since the kernel counts per process.

mod common;

use landfall_media::bundle::locate;
use landfall_media::counters::Counters;
use landfall_media::pack::{Output, pack};
use landfall_media::progress::Silent;
use landfall_media::stage::stage;
use landfall_media::store::ContentStore;
use landfall_media::verify::verify;

use crate::common::{MIB, signed};

/// Bytes that this process read and wrote, as the kernel counts them.
#[derive(Debug, Clone, Copy)]
struct Kernel {
    read: u64,
    written: u64,
}

impl Kernel {
    fn now() -> Self {
        let text = std::fs::read_to_string("/proc/self/io").unwrap();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().parse::<u64>().unwrap()
        };
        Self { read: field("rchar:"), written: field("wchar:") }
    }

    fn since(self) -> Self {
        let now = Self::now();
        Self { read: now.read - self.read, written: now.written - self.written }
    }
}

fn peak_memory_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

#[track_caller]
fn agree(what: &str, counted: u64, kernel: u64, payload: u64) {
    let within = |one: u64, other: u64| one.abs_diff(other) <= payload / 50;
    assert!(within(counted, kernel), "{what}: counted {counted}, the kernel says {kernel}, of {payload}");
    let times = (counted + payload / 2) / payload;
    assert!(within(counted, times * payload), "{what}: {counted} is not a whole number of times {payload}");
}

#[test]
fn every_byte_is_moved_once_and_the_kernel_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let vendor = ContentStore::at(folder.path().join("vendor"));
    let before = Kernel::now();
    let payload = signed(&vendor, &[1, 2, 3, 180 * MIB + 1, 5, MIB, 119 * MIB]);
    let total = payload.layout().total_bytes();
    let kernel = before.since();
    agree("ingestion writes", vendor.counters().totals().written_bytes, kernel.written, total);
    agree("ingestion reads", vendor.counters().totals().read_bytes, kernel.read, total);
    assert_eq!(vendor.counters().totals().written_bytes, payload.blob_bytes());

    let stick = folder.path().join("stick");
    let (before, counted) = (Kernel::now(), Counters::new());
    let output = Output { folder: &stick, part_bytes: Some(100 * MIB), others: &|_| Vec::new() };
    pack(&payload, &vendor, output, &counted, &Silent).unwrap();
    let (kernel, media, store) = (before.since(), counted.totals(), vendor.counters().totals());
    assert_eq!((store.read_bytes, media.read_back_bytes), (payload.blob_bytes(), total));
    agree("building writes", media.written_bytes, kernel.written, total);
    agree("building reads", store.read_bytes + media.read_back_bytes, kernel.read, total);

    let before = Kernel::now();
    let media = locate(&stick).unwrap().assemble(payload.clone(), Counters::new()).unwrap();
    assert_eq!(media.parts().len(), 4);
    verify(&media, "verifying", &Silent).unwrap();
    let (kernel, verified) = (before.since(), media.counters().totals());
    agree("verifying reads", verified.read_bytes, kernel.read, total);
    agree("verifying writes", verified.written_bytes, kernel.written, total);

    let site = ContentStore::at(folder.path().join("site"));
    let before = Kernel::now();
    stage(&media, &site, &Silent).unwrap();
    let kernel = before.since();
    let staged = media.counters().totals().read_bytes - verified.read_bytes;
    agree("staging reads", staged, kernel.read, total);
    agree("staging writes", site.counters().totals().written_bytes, kernel.written, total);
    assert_eq!(site.counters().totals().written_bytes, payload.blob_bytes());
    assert_eq!(site.counters().totals().read_bytes, 0);

    // Three small blobs in one group, and their names: no more, whatever the large ones have.
    assert_eq!(site.counters().totals().filesystem_syncs, 2);

    let peak = peak_memory_bytes();
    assert!(peak <= 40 * MIB, "{peak} bytes of memory");
}
