//! What a head holds, before and after its signatures were checked.

use std::ops::{Deref, Range};

use super::document::{BundleDocument, Identity};
use crate::blobs::{BlobEntry, BlobsDocument, Place};
use crate::chunks::{CHUNK_BYTES, ChunkValue, chunk_len, chunk_matches, chunk_values_of};
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::head::document::LANDFALL_DOCUMENT_NAME;
use crate::layout::Layout;
use crate::parts::BundleName;
use crate::trust::{Role, Root, SignatureFile, TrustAnchor, TrustedRoot, walk};

/// What a head holds. Reached through [`Verified`], or through [`Opened::untrusted`] for looking only.
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

    /// Name, version, counter and time.
    pub fn identity(&self) -> Identity {
        self.document.identity()
    }

    /// What the bundle's files are called.
    pub fn bundle_name(&self) -> BundleName {
        BundleName::new(&self.document.name, &self.document.version, self.id)
    }

    /// `landfall.json`.
    pub const fn document(&self) -> &BundleDocument {
        &self.document
    }

    /// The bytes of `landfall.json`: what was signed.
    pub fn landfall_bytes(&self) -> &[u8] {
        &self.head[self.landfall.clone()]
    }

    /// The bytes of the whole head, as `NAME.head` holds them.
    pub fn head_bytes(&self) -> &[u8] {
        &self.head
    }

    /// `blobs.json`.
    pub const fn blobs(&self) -> &BlobsDocument {
        &self.blobs
    }

    /// Where every byte of the stream lies.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A small document by its whole name, such as `documents/release.json`.
    pub fn small_document(&self, name: &str) -> Option<&[u8]> {
        let index = self.document.documents.binary_search_by(|document| document.name.as_str().cmp(name)).ok()?;
        self.documents.get(index).map(|range| &self.head[range.clone()])
    }

    /// All small documents, in their order.
    pub fn small_documents(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let ranges = self.documents.iter().map(|range| &self.head[range.clone()]);
        self.document.documents.iter().map(|document| document.name.as_str()).zip(ranges)
    }

    /// An entry of `blobs.json` by its index.
    pub fn entry(&self, entry: usize) -> Option<&BlobEntry> {
        self.blobs.entries().get(entry)
    }

    /// The chaining values of an entry's chunks, which were checked against its root; empty up to 1 MiB.
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

/// A head whose structure and digests were checked. Nothing in it is trusted.
#[derive(Debug, Clone)]
pub struct Opened {
    pub(super) contents: Contents,
    pub(super) signatures: Vec<SignatureFile>,
    pub(super) roots: Vec<Root>,
}

impl Opened {
    /// What the head says of itself. For looking only: anybody can have written it.
    pub const fn untrusted(&self) -> &Contents {
        &self.contents
    }

    /// The signatures that the head carries.
    pub fn signatures(&self) -> &[SignatureFile] {
        &self.signatures
    }

    /// The chain of root documents that the head carries.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// Walks from the anchor to the root that counts, checks every signature against its release role, then what the
    /// bundle requires of its reader.
    pub fn verify(self, anchor: &TrustAnchor) -> Result<Verified> {
        self.trust(anchor)?.understood()
    }

    /// The same up to the signatures: for who can do something about a bundle that needs a newer Landfall.
    pub fn trust(self, anchor: &TrustAnchor) -> Result<Signed> {
        if self.signatures.is_empty() {
            return Err(Error::Unsigned { name: LANDFALL_DOCUMENT_NAME.to_owned() });
        }
        let trusted = walk(anchor, &self.roots)?;
        let signatures: Vec<_> = self.signatures.iter().map(|file| (file.key(), file.signature())).collect();
        let message = self.contents.landfall_bytes();
        trusted.root().verify(Role::Release, LANDFALL_DOCUMENT_NAME, message, &signatures)?;
        let signers = self.signatures.iter().map(SignatureFile::key).collect();
        Ok(Signed { contents: self.contents, trusted, signers })
    }
}

/// A head that is signed as it must be, and whose bundle may need a newer Landfall. Of its payload nothing can be had
/// but the program that knows more.
#[derive(Debug, Clone)]
pub struct Signed {
    contents: Contents,
    trusted: TrustedRoot,
    signers: Vec<crate::trust::KeyId>,
}

impl Signed {
    /// The head of a bundle that this version understands; refuses what it requires and this version does not know.
    pub fn understood(self) -> Result<Verified> {
        self.check_requirements()?;
        let mut firsts = Vec::with_capacity(self.contents.blobs.entries().len());
        let mut next = 0;
        for entry in self.contents.blobs.entries() {
            firsts.push(next);
            next += usize::try_from(chunk_values_of(entry.size)).unwrap_or_default();
        }
        Ok(Verified { contents: self.contents, trusted: self.trusted, signers: self.signers, firsts })
    }

    /// Refuses what the bundle requires and this version does not know.
    pub fn check_requirements(&self) -> Result<()> {
        self.contents.document.check_requirements()
    }

    /// The `landfall` that the bundle carries, and at which byte of the stream it begins. Frozen with format 1: it is the
    /// first blob.
    pub fn program(&self) -> Option<(&BlobEntry, u64)> {
        let entry = self.contents.entry(0).filter(|entry| entry.place == Some(Place::Installer))?;
        Some((entry, self.contents.layout.entries().first()?.offset()))
    }
}

/// A head that is trusted: signed by enough keys of the release role of a root that the anchor leads to.
#[derive(Debug, Clone)]
pub struct Verified {
    contents: Contents,
    trusted: TrustedRoot,
    signers: Vec<crate::trust::KeyId>,
    /// Index of every entry's first chaining value.
    firsts: Vec<usize>,
}

impl Deref for Verified {
    type Target = Contents;

    fn deref(&self) -> &Contents {
        &self.contents
    }
}

impl Verified {
    /// The root that counts, and how it came to be trusted.
    pub const fn trusted(&self) -> &TrustedRoot {
        &self.trusted
    }

    /// The keys that signed the bundle.
    pub fn signers(&self) -> &[crate::trust::KeyId] {
        &self.signers
    }

    /// Checks one chunk of an entry, independently of all others. Cheap to call from several threads.
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
