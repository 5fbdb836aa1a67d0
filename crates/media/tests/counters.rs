//! Every byte once: building, verifying and staging a bundle of 300 MiB, counted by this crate and by the kernel.
//!
//! This test has its own binary, because the kernel counts per process.

mod common;

use std::path::Path;
use std::process::Command;

use landfall_media::bundle::locate;
use landfall_media::counters::Counters;
use landfall_media::pack::pack;
use landfall_media::parts::Output;
use landfall_media::progress::SilentProgress;
use landfall_media::stage::stage;
use landfall_media::store::ContentStore;
use landfall_media::verify::verify;

use crate::common::{MIB, signed_payload};

/// Bytes that this process read and wrote, as counted by the kernel.
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

/// Returns the bytes of the files below a folder, or of a file, that are in the page cache, as counted by `vmtouch`.
fn cached_bytes(path: &Path) -> u64 {
    let output = Command::new("vmtouch").arg(path).output().expect("vmtouch");
    let text = String::from_utf8(output.stdout).unwrap();
    // `Resident Pages: 3/700  12K/2M  0.4%`
    let pages = text.lines().find_map(|line| line.trim().strip_prefix("Resident Pages: ")?.split('/').next()).unwrap();
    pages.parse::<u64>().unwrap() * rustix::param::page_size() as u64
}

/// Creates a file that another program has read completely. Returns the number of its bytes in memory.
fn file_in_use(path: &Path) -> u64 {
    const SIZE: u64 = 16 * MIB;
    // A separate program writes it, because this process's memory and bytes are counted.
    let script = "head -c \"$1\" /dev/zero > \"$2\" && sync \"$2\" && cat \"$2\" > /dev/null";
    let status = Command::new("sh").args(["-euc", script, "sh", &SIZE.to_string()]).arg(path).status().expect("sh");
    assert!(status.success());
    let cached = cached_bytes(path);
    assert_eq!(cached, SIZE, "the file is not in memory as a whole");
    cached
}

#[track_caller]
fn agree(what: &str, counted: u64, kernel: u64, payload: u64) {
    let within = |one: u64, other: u64| one.abs_diff(other) <= payload / 50;
    assert!(within(counted, kernel), "{what}: counted {counted}, the kernel says {kernel}, of {payload}");
    let times = (counted + payload / 2) / payload;
    assert!(within(counted, times * payload), "{what}: {counted} is not a whole number of times {payload}");
}

#[test]
fn counted_bytes_match_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let vendor = ContentStore::at(folder.path().join("vendor"));
    let before = Kernel::now();
    let mut sizes = vec![1, 2, 3, 180 * MIB + 1, 5, MIB, 119 * MIB];
    sizes.extend([MIB; 70]);
    let payload = signed_payload(&vendor, &sizes);
    let total = payload.layout().total_bytes();
    let kernel = before.since();
    agree("ingestion writes", vendor.counters().totals().written_bytes, kernel.written, total);
    agree("ingestion reads", vendor.counters().totals().read_bytes, kernel.read, total);
    assert_eq!(vendor.counters().totals().written_bytes, payload.blob_bytes());

    let stick = folder.path().join("stick");
    let (before, counted) = (Kernel::now(), Counters::new());
    let output = Output { folder: &stick, part_bytes: Some(100 * MIB), others: &|_| Vec::new(), others_bytes: 0 };
    pack(&payload, &vendor, output, &counted, &SilentProgress).unwrap();
    let (kernel, media, store) = (before.since(), counted.totals(), vendor.counters().totals());
    assert_eq!((store.read_bytes, media.read_back_bytes), (payload.blob_bytes(), total));
    agree("building writes", media.written_bytes, kernel.written, total);
    agree("building reads", store.read_bytes + media.read_back_bytes, kernel.read, total);

    // Running software keeps its memory: neither reading the store nor writing and reading the stick fills the page
    // cache.
    let (of_store, of_stick) = (cached_bytes(vendor.root()), cached_bytes(&stick));
    assert!(of_store + of_stick <= 8 * MIB, "{of_store} bytes of the store and {of_stick} of the stick are in memory");

    let before = Kernel::now();
    let media = locate(&stick).unwrap().assemble(payload.clone(), Counters::new()).unwrap();
    assert_eq!(media.parts().len(), 4, "{:?}", media.parts());
    verify(&media, "verifying", &SilentProgress).unwrap();
    let (kernel, verified) = (before.since(), media.counters().totals());
    agree("verifying reads", verified.read_bytes, kernel.read, total);
    agree("verifying writes", verified.written_bytes, kernel.written, total);

    let site = ContentStore::at(folder.path().join("site"));
    let foreign = folder.path().join("foreign");
    let in_use = file_in_use(&foreign);
    let before = Kernel::now();
    stage(&media, &site, &SilentProgress).unwrap();
    let kernel = before.since();
    let staged = media.counters().totals().read_bytes - verified.read_bytes;
    agree("staging reads", staged, kernel.read, total);
    agree("staging writes", site.counters().totals().written_bytes, kernel.written, total);
    assert_eq!(site.counters().totals().written_bytes, payload.blob_bytes());
    assert_eq!(site.counters().totals().read_bytes, 0);

    let (of_site, of_stick) = (cached_bytes(site.root()), cached_bytes(&stick));
    assert!(of_site + of_stick <= 8 * MIB, "{of_site} bytes of the site and {of_stick} of the stick are in memory");
    // The `large` part checks the same next to a database, at 20 GiB.
    let still = cached_bytes(&foreign);
    assert!(still >= in_use / 20 * 19, "{still} of {in_use} bytes of another program's file are still in memory");
    // One sync for 64 MiB of small blobs, one for the rest, one for their names, and none for large blobs.
    assert_eq!(site.counters().totals().filesystem_syncs, 3);

    let peak = peak_memory_bytes();
    assert!(peak <= 40 * MIB, "{peak} bytes of memory");
}
