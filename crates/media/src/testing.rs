//! Shared fixtures of this crate's tests: a vendor with a store and a small signed bundle of random blobs.

use std::path::{Path, PathBuf};

use landfall_bundle_spec::sample::{Sample, Vendor};
use landfall_bundle_spec::trust::{KeyKind, TrustAnchor};
use tempfile::TempDir;

use crate::bundle::{BundleMedia, locate};
use crate::counters::Counters;
use crate::error::Result;
use crate::pack::pack;
use crate::parts::{Output, WrittenFile};
use crate::payload::Payload;
use crate::progress::SilentProgress;
use crate::store::ContentStore;

/// Returns pseudorandom bytes, the same for the same seed.
pub(crate) fn random_bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut reader = blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof();
    let mut bytes = vec![0; length];
    reader.fill(&mut bytes);
    bytes
}

/// A vendor's store with the blobs of one bundle, and a folder that stands for the stick.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) vendor_store: ContentStore,
    pub(crate) payload: Payload,
    pub(crate) stream: Vec<u8>,
    root: Vec<u8>,
}

impl Fixture {
    /// A fixture with blobs of these sizes, after the three small files that every bundle has.
    pub(crate) fn with_blobs(sizes: &[usize]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
        let blobs =
            sizes.iter().zip(1..).map(|(size, seed)| random_bytes(*size, seed * 1_000_003 + *size as u64)).collect();
        let sample = Sample::with_blobs(&vendor, blobs).unwrap();
        let vendor_store = ContentStore::at(folder.path().join("vendor"));
        for contents in &sample.contents {
            vendor_store.ingest_bytes(contents).unwrap();
        }
        let stream = sample.stream();
        let root = vendor.root.bytes().to_vec();
        Self { folder, vendor_store, payload: sample.head.into_verified().into(), stream, root }
    }

    /// A fixture with five blobs, the largest of 5.5 MiB.
    pub(crate) fn small() -> Self {
        Self::with_blobs(&[1, 1 << 20, 5_767_168, 3_000_001, 40_000])
    }

    /// The trust anchor of the site.
    pub(crate) fn anchor(&self) -> TrustAnchor {
        TrustAnchor::Root(self.root.clone())
    }

    pub(crate) fn stick(&self) -> PathBuf {
        self.folder.path().join("stick")
    }

    pub(crate) fn site_store(&self) -> ContentStore {
        ContentStore::at(self.folder.path().join("site"))
    }

    pub(crate) fn pack(&self, part_bytes: Option<u64>) -> Result<Vec<WrittenFile>> {
        let folder = self.stick();
        let output = Output { folder: &folder, part_bytes, others: &|_| Vec::new(), others_bytes: 0 };
        pack(&self.payload, &self.vendor_store, output, &Counters::new(), &SilentProgress)
    }

    /// The paths of the parts after packing into parts of at most 3 MiB.
    pub(crate) fn parts(&self) -> Vec<PathBuf> {
        let files = self.pack(Some(3 << 20)).unwrap();
        files.iter().filter(|file| file.name.contains(".landfall.")).map(|file| self.stick().join(&file.name)).collect()
    }

    pub(crate) fn find(&self, path: &Path) -> Result<BundleMedia> {
        locate(path)?.assemble(self.payload.clone(), Counters::new())
    }
}

/// Changes one byte of a file.
pub(crate) fn flip(path: &Path, offset: u64) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
}
