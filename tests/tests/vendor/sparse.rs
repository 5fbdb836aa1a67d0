//! A bundle with a sparse blob of 9 GiB, as large as a model's weights, which is created instantly.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use landfall_bundle_spec::blobs::{BlobEntry, BlobsDocument, Place};
use landfall_bundle_spec::chunks::{BlobHasher, BlobSums, chunk_count, root_of_chunks};
use landfall_bundle_spec::head::{Identity, SignedHead, UnsignedHead};
use landfall_bundle_spec::layout::SegmentKind;
use landfall_bundle_spec::trust::{KeyKind, RootContents, SigningKey, UnsignedRoot};
use landfall_bundle_spec::{Blake3, Sha256};

use super::tools::Lister;

/// Size of the blob. It exceeds 8 GiB, the limit of a tar header's octal digits.
const BLOB_BYTES: u64 = (9 << 30) + 12_345;

/// The file of the stream, and the head at its beginning.
pub struct SparseBundle {
    /// Path of the only file.
    pub path: PathBuf,
    /// Head of the bundle.
    pub head: SignedHead,
}

/// Writes the stream in its layout, with holes in place of zeros. The digests of the large blob are invented, because
/// no test reads it.
pub fn sparse_bundle(folder: &Path) -> Result<SparseBundle> {
    let chunks = vec![[9; 32]; usize::try_from(chunk_count(BLOB_BYTES))?];
    let blake3: Blake3 = root_of_chunks(BLOB_BYTES, &chunks).context("no root")?;
    let mut all: Vec<BlobSums> = Place::ALL.iter().map(|place| sums(place.name().as_bytes())).collect();
    all.push(BlobSums { sha256: Sha256([9; 32]), blake3, size: BLOB_BYTES, chunks });
    all.push(sums(b"after it"));
    let head = sign_head(&all)?;
    let path = folder.join("sparse.tar");
    let file = File::create(&path)?;
    let layout = head.verified_head().layout();
    file.set_len(layout.total_bytes())?;
    file.write_all_at(head.bytes(), 0)?;
    for segment in layout.segments() {
        if let SegmentKind::Header(entry) = segment.kind {
            file.write_all_at(&layout.entries()[entry].header(), segment.offset)?;
        }
    }
    Ok(SparseBundle { path, head })
}

fn sums(bytes: &[u8]) -> BlobSums {
    let mut hasher = BlobHasher::new();
    hasher.update(bytes);
    hasher.finish()
}

fn sign_head(all: &[BlobSums]) -> Result<SignedHead> {
    let media_type = "application/octet-stream";
    let entries = all.iter().enumerate().map(|(index, sums)| match Place::ALL.get(index) {
        Some(place) => BlobEntry::with_place(sums, media_type, *place),
        None => BlobEntry::blob(sums, media_type),
    });
    let blobs = BlobsDocument::new(entries.collect())?;
    let values: Vec<_> = all.iter().map(|sums| sums.chunks.as_slice()).collect();
    let identity = Identity {
        name: "sparse".to_owned(),
        version: "1.0.0".to_owned(),
        counter: 1,
        built_at: "2026-11-01T00:00:00Z".to_owned(),
    };
    let key = SigningKey::generate(KeyKind::EcdsaP256)?;
    let mut root = UnsignedRoot::new(&RootContents::single(key.public(), true))?;
    root.sign(&key)?;
    let mut head = UnsignedHead::new(&identity, Vec::new(), &blobs, &values)?;
    head.sign(&key)?;
    Ok(head.finish(&[root.finish(None)?])?)
}

#[test]
#[ignore = "needs cargo xtask test"]
fn listers_skip_blob_of_9_gib() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let bundle = sparse_bundle(folder.path())?;
    let expected = Lister::Gnu.file(&bundle.path)?;
    for lister in Lister::ALL {
        assert_eq!(lister.file(&bundle.path)?, expected, "{lister:?}");
    }
    let large = format!("blobs/sha256/{}", Sha256([9; 32]).to_hex());
    let position = expected.iter().position(|file| file.name == large).context("the large blob is not listed")?;
    assert_eq!(expected[position].size, BLOB_BYTES);
    let last = expected.get(position + 1).context("what follows the large blob is not listed")?;
    assert_eq!((last.size, position + 2), (8, expected.len()));
    Ok(())
}
