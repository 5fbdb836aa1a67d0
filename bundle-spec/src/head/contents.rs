//! The contents of a head, before and after its signatures were checked.

use std::ops::{Deref, Range};

use super::area::Area;
use super::document::{BundleDocument, Identity};
use super::sealed::Seal;
use crate::blobs::{BlobEntry, BlobsDocument};
use crate::chunks::{CHUNK_BYTES, ChunkValue, chunk_len, chunk_matches, chunk_values_of};
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::parts::BundleName;
use crate::trust::{KeyId, Revocation, Root, SignatureFile, TrustedRoot};

/// The contents of a head. [`Verified`] gives access to trusted contents; [`Opened::untrusted_contents`] gives access
/// for inspection only.
#[derive(Debug, Clone)]
pub struct Contents {
    pub(super) head: Vec<u8>,
    pub(super) id: Sha256,
    pub(super) landfall: Range<usize>,
    pub(super) document: BundleDocument,
    pub(super) blobs: BlobsDocument,
    pub(super) chunks: Range<usize>,
    pub(super) documents: Vec<Range<usize>>,
    pub(super) layout: Layout,
}

impl Contents {
    /// SHA-256 of `landfall.json`: the id of the bundle.
    pub const fn id(&self) -> Sha256 {
        self.id
    }

    /// Name, version, counter and time of the release.
    pub fn identity(&self) -> Identity {
        self.document.identity()
    }

    /// Name of the bundle's files.
    pub fn bundle_name(&self) -> BundleName {
        BundleName::new(&self.document.name, &self.document.version, self.id)
    }

    /// The document `landfall.json`.
    pub const fn document(&self) -> &BundleDocument {
        &self.document
    }

    /// The bytes of `landfall.json`, which were signed.
    pub fn landfall_bytes(&self) -> &[u8] {
        &self.head[self.landfall.clone()]
    }

    /// The bytes of the whole head, as in `NAME.head`.
    pub fn head_bytes(&self) -> &[u8] {
        &self.head
    }

    /// The document `blobs.json`.
    pub const fn blobs(&self) -> &BlobsDocument {
        &self.blobs
    }

    /// The layout: position of every byte of the stream.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns a small document by its full name, such as `documents/release.json`.
    pub fn small_document(&self, name: &str) -> Option<&[u8]> {
        let index = self.document.documents.binary_search_by(|document| document.name.as_str().cmp(name)).ok()?;
        self.documents.get(index).map(|range| &self.head[range.clone()])
    }

    /// All small documents, in order.
    pub fn small_documents(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let ranges = self.documents.iter().map(|range| &self.head[range.clone()]);
        self.document.documents.iter().map(|document| document.name.as_str()).zip(ranges)
    }

    /// Returns an entry of `blobs.json` by its index.
    pub fn entry(&self, entry: usize) -> Option<&BlobEntry> {
        self.blobs.entries().get(entry)
    }

    /// Chaining values of an entry's chunks, already checked against its root; empty up to 1 MiB.
    pub fn chunk_values(&self, entry: usize) -> &[ChunkValue] {
        let (all, _) = self.head[self.chunks.clone()].as_chunks::<32>();
        let count = |entry: &BlobEntry| usize::try_from(chunk_values_of(entry.size)).unwrap_or(usize::MAX);
        let Some(own) = self.entry(entry).map(count) else {
            return &[];
        };
        let before: usize = self.blobs.entries()[..entry].iter().map(count).sum();
        &all[before..before + own]
    }
}

/// A head whose structure and digests were checked. Nothing in it is trusted; it is for inspection only.
#[derive(Debug)]
pub struct Opened {
    pub(super) contents: Contents,
    pub(super) area: Area,
}

impl Opened {
    /// The contents of the head, which anyone may have written.
    pub const fn untrusted_contents(&self) -> &Contents {
        &self.contents
    }

    /// The signatures in the head.
    pub fn signatures(&self) -> &[SignatureFile] {
        &self.area.signatures
    }

    /// The chain of root documents in the head.
    pub fn roots(&self) -> &[Root] {
        &self.area.roots
    }

    /// The revocation in the head.
    pub const fn revocation(&self) -> Option<&Revocation> {
        self.area.revocation.as_ref()
    }
}

/// A trusted head: signed by enough keys of the release role of a root that is reachable from the anchor.
#[derive(Debug, Clone)]
pub struct Verified {
    contents: Contents,
    seal: Seal,
    /// Index of each entry's first chaining value.
    firsts: Vec<usize>,
}

impl Deref for Verified {
    type Target = Contents;

    fn deref(&self) -> &Contents {
        &self.contents
    }
}

impl Verified {
    pub(super) fn new(contents: Contents, seal: Seal) -> Self {
        let mut firsts = Vec::with_capacity(contents.blobs.entries().len());
        let mut next = 0;
        for entry in contents.blobs.entries() {
            firsts.push(next);
            next += usize::try_from(chunk_values_of(entry.size)).unwrap_or_default();
        }
        Self { contents, seal, firsts }
    }

    /// The effective root, and the start of the chain of trust.
    pub const fn trusted_root(&self) -> &TrustedRoot {
        &self.seal.trusted
    }

    /// Ids of the release keys that signed the bundle.
    pub fn signers(&self) -> &[KeyId] {
        &self.seal.signers
    }

    /// The revocation in the bundle, if the effective root trusts it.
    pub const fn revocation(&self) -> Option<&Revocation> {
        self.seal.revocation.as_ref()
    }

    /// Checks one chunk of an entry, independently of all other chunks. Several threads may call it; it is cheap.
    pub fn verify_chunk(&self, entry: usize, chunk: u64, bytes: &[u8]) -> Result<()> {
        let Some(blob) = self.contents.entry(entry) else {
            return Err(Error::InvalidContents { what: format!("blobs.json has no entry {entry}") });
        };
        let (all, _) = self.contents.head[self.contents.chunks.clone()].as_chunks::<32>();
        let first = self.firsts[entry];
        let count = usize::try_from(chunk_values_of(blob.size)).unwrap_or_default();
        if chunk_matches(blob.size, blob.blake3, &all[first..first + count], chunk, bytes) {
            return Ok(());
        }
        let offset = chunk.saturating_mul(CHUNK_BYTES);
        let end = offset.saturating_add(chunk_len(blob.size, chunk));
        Err(Error::DamagedChunk { name: blob.name(), offset, end })
    }
}
