//! Every byte once: building, verifying and staging a bundle of 300 MiB, counted by this crate and by the kernel.
//!
//! A test binary of its own, with one test, since the kernel counts per process.

use std::io::{self, Read};

use landfall_bundle_spec::blobs::{BlobEntry, BlobsDocument, Place};
use landfall_bundle_spec::chunks::BlobSums;
use landfall_bundle_spec::head::{Identity, UnsignedHead};
use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::KeyKind;
use landfall_media::Payload;
use landfall_media::bundle::locate;
use landfall_media::counters::Counters;
use landfall_media::pack::{Output, pack};
use landfall_media::progress::Silent;
use landfall_media::stage::stage;
use landfall_media::store::ContentStore;
use landfall_media::verify::verify;

const MIB: u64 = 1 << 20;

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

/// Bytes without structure that are never all in memory.
struct Random(blake3::OutputReader);

impl Read for Random {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.fill(buffer);
        Ok(buffer.len())
    }
}

fn signed(sums: &[BlobSums]) -> Payload {
    let entries = sums.iter().enumerate().map(|(index, sums)| match Place::ALL.get(index) {
        Some(place) => BlobEntry::placed(sums, "application/octet-stream", *place),
        None => BlobEntry::blob(sums, "application/octet-stream"),
    });
    let blobs = BlobsDocument::new(entries.collect()).unwrap();
    let values: Vec<_> = sums.iter().map(|sums| sums.chunks.as_slice()).collect();
    let identity = Identity {
        name: "counted".to_owned(),
        version: "1.0.0".to_owned(),
        counter: 1,
        built_at: "2026-11-20T08:16:00Z".to_owned(),
    };
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let mut head = UnsignedHead::new(&identity, Vec::new(), &blobs, &values).unwrap();
    head.sign(&vendor.key).unwrap();
    head.signed(&[vendor.root]).unwrap().into_verified().into()
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
    let sums: Vec<_> = [1, 2, 3, 180 * MIB + 1, 5, MIB, 119 * MIB]
        .iter()
        .zip(0_u8..)
        .map(|(size, seed)| {
            let random = Random(blake3::Hasher::new().update(&[seed]).finalize_xof());
            vendor.ingest(&mut random.take(*size), None).unwrap()
        })
        .collect();
    let payload = signed(&sums);
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

    let peak = peak_memory_bytes();
    assert!(peak <= 256 * MIB, "{peak} bytes of memory");
}
