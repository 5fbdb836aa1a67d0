//! A signed bundle of random blobs, generated without holding a whole blob in memory.

use std::io::{self, Read};

use landfall_bundle_spec::blobs::{BlobEntry, BlobsDocument, Place};
use landfall_bundle_spec::chunks::BlobSums;
use landfall_bundle_spec::head::{Identity, UnsignedHead};
use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::KeyKind;
use landfall_media::Payload;
use landfall_media::store::ContentStore;

pub const MIB: u64 = 1 << 20;

/// A stream of pseudorandom bytes that are never all in memory.
struct Random(blake3::OutputReader);

impl Read for Random {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.fill(buffer);
        Ok(buffer.len())
    }
}

/// Ingests blobs of these sizes into a store, and signs them.
pub fn signed_payload(store: &ContentStore, sizes: &[u64]) -> Payload {
    let ingest = |(size, seed): (&u64, u64)| {
        let random = Random(blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof());
        store.ingest(&mut random.take(*size), None).unwrap()
    };
    let sums: Vec<BlobSums> = sizes.iter().zip(0_u64..).map(ingest).collect();
    let entries = sums.iter().enumerate().map(|(index, sums)| match Place::ALL.get(index) {
        Some(place) => BlobEntry::with_place(sums, "application/octet-stream", *place),
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
    head.finish(&[vendor.root]).unwrap().into_verified().into()
}
