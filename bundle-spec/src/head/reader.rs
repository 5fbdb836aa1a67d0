//! Reads a head from untrusted bytes.
//!
//! Threats, and where the defense lies (numbers are attacks on archives seen in other tools):
//! 1. `..`, absolute paths, NUL, case or Unicode clashes: no name of the archive is used as a path; the names that can
//!    occur are fixed or restricted to lower-case ASCII (`document`, `signature_file_name`, `root_file_name`), and
//!    blobs are named by digest.
//! 2. Links, then writing through them (also hard links, replaced folders, modes changed through a link, set-user-id,
//!    devices, FIFOs): the type byte is part of the one header a file can have (`archive::header`).
//! 3. PAX against ustar sizes, PAX applied to other headers, broken PAX that is skipped, sparse maps, giant extension
//!    headers: there are no extensions; a header that differs in any byte is refused.
//! 4. Bombs by ratio, total or count: nothing is compressed; sizes are limited before anything is allocated (`limits`),
//!    and memory grows only with bytes that really arrive.
//! 5. Duplicates: names of documents and signatures are strictly ascending, roots are consecutive, blobs are a set.
//! 6. A second list that contradicts the first (zip's central directory): there is one signed list, and headers, order
//!    and padding are regenerated from it.
//! 7. Trailing data and joined streams: the signed length ends the stream (`stream`, `Opened::read_file`).
//! 8. Names like `.`, references out of the archive, links to devices inside documents: documents are data; what reads
//!    them resolves nothing.
//! 9. JSON that two readers understand differently: see `json`.
//! 10. Valid signatures of something else: a signature covers the very bytes of `landfall.json`, whose `type` is
//!     checked; roots are walked in `trust`.

use std::io::Read;
use std::ops::Range;

use sha2::{Digest, Sha256 as Sha256Hasher};

use super::CHUNK_LIST_NAME;
use super::contents::{Contents, Opened};
use super::document::{BundleDocument, FileDigest, LANDFALL_DOCUMENT_NAME};
use crate::archive::{self, Header};
use crate::blobs::{BLOBS_DOCUMENT_NAME, BlobsDocument};
use crate::chunks::{ChunkValue, chunk_values_of, root_of_chunks};
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::limits;
use crate::trust::{Root, SignatureFile, root_file_name, signature_file_name};

const SIGNATURES_FOLDER: &str = "signatures/";
const TRUST_FOLDER: &str = "trust/";

impl Opened {
    /// Reads exactly the head from a stream, which then stands at the first byte after it. Checks its structure and the
    /// digests of its documents; trusts nothing.
    pub fn read(source: impl Read) -> Result<Self> {
        let mut head = Head { source, bytes: Vec::new() };
        let landfall = head.first()?;
        let document = BundleDocument::read(&head.bytes[landfall.clone()])?;
        let area = head.area(landfall.clone())?;
        let blobs_header = (head.bytes.len() - size_of::<Header>()) as u64;

        let blobs = head.contents(BLOBS_DOCUMENT_NAME, &document.blobs)?;
        let blobs = BlobsDocument::read(&head.bytes[blobs])?;
        let chunks = head.file(CHUNK_LIST_NAME, &document.chunks)?;
        check_chunk_list(&blobs, &head.bytes[chunks.clone()])?;
        let mut documents = Vec::with_capacity(document.documents.len());
        for named in &document.documents {
            documents.push(head.file(&named.name, &named.digest())?);
        }

        let layout = Layout::new(head.bytes.len() as u64, &blobs);
        let computed = layout.total_bytes() - blobs_header;
        if computed != document.payload_bytes {
            return Err(Error::WrongLength { computed, stated: document.payload_bytes });
        }
        let id = Sha256(Sha256Hasher::digest(&head.bytes[landfall.clone()]).into());
        let contents = Contents { head: head.bytes, id, landfall, document, blobs, chunks, documents, layout };
        Ok(Self { contents, signatures: area.signatures, roots: area.roots })
    }

    /// Reads a `.head` file: the head and nothing after it.
    pub fn read_file(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        let opened = Self::read(&mut rest)?;
        if rest.is_empty() { Ok(opened) } else { Err(Error::TrailingData { place: "the head".to_owned() }) }
    }
}

/// The signature and trust area.
#[derive(Default)]
struct Area {
    signatures: Vec<SignatureFile>,
    roots: Vec<Root>,
}

/// A head that is being read; `bytes` is all of it so far.
struct Head<R> {
    source: R,
    bytes: Vec<u8>,
}

impl<R: Read> Head<R> {
    /// `landfall.json`, by which a bundle is recognized.
    fn first(&mut self) -> Result<Range<usize>> {
        let range = match self.take(size_of::<Header>() as u64, "the first header") {
            Err(Error::Truncated { .. }) if !self.begins_as_bundle() => return Err(not_a_bundle()),
            taken => taken?,
        };
        if !self.begins_as_bundle() {
            return Err(not_a_bundle());
        }
        let (name, size) = self.parse_header(&range, LANDFALL_DOCUMENT_NAME)?;
        if size > limits::LANDFALL_DOCUMENT_BYTES {
            return Err(Error::TooLarge {
                what: format!("{name} ({size} bytes)"),
                limit: limits::LANDFALL_DOCUMENT_BYTES,
            });
        }
        self.padded(size, LANDFALL_DOCUMENT_NAME)
    }

    /// Signatures, then roots, up to and including the header of `blobs.json`.
    fn area(&mut self, landfall: Range<usize>) -> Result<Area> {
        let mut area = Area::default();
        loop {
            let expected = if area.roots.is_empty() { "the signature and trust area" } else { BLOBS_DOCUMENT_NAME };
            let header = self.take(size_of::<Header>() as u64, expected)?;
            let (name, size) = self.parse_header(&header, expected)?;
            if name == BLOBS_DOCUMENT_NAME {
                return Ok(area);
            }
            if area.signatures.len() + area.roots.len() == limits::AREA_FILES {
                let what = "the number of files in the signature and trust area".to_owned();
                return Err(Error::TooLarge { what, limit: limits::AREA_FILES as u64 });
            }
            if size > limits::AREA_FILE_BYTES {
                return Err(Error::TooLarge { what: format!("{name} ({size} bytes)"), limit: limits::AREA_FILE_BYTES });
            }
            let range = self.padded(size, &name)?;
            let (message, bytes) = (&self.bytes[landfall.clone()], &self.bytes[range]);
            area.add(&name, message, bytes)?;
        }
    }

    /// Header and contents of a file whose name and digest are known.
    fn file(&mut self, name: &str, digest: &FileDigest) -> Result<Range<usize>> {
        self.take(size_of::<Header>() as u64, name)?;
        self.contents(name, digest)
    }

    /// The contents of a file whose header was just read, which is compared with the only one possible.
    fn contents(&mut self, name: &str, digest: &FileDigest) -> Result<Range<usize>> {
        let header = self.bytes.len() - size_of::<Header>();
        if self.bytes[header..] != archive::header(name, digest.size, 0o644) {
            return Err(Error::DamagedHeader { name: name.to_owned() });
        }
        let range = self.padded(digest.size, name)?;
        if digest.matches(&self.bytes[range.clone()]) {
            Ok(range)
        } else {
            Err(Error::DamagedDocument { name: name.to_owned() })
        }
    }

    fn parse_header(&self, range: &Range<usize>, expected: &str) -> Result<(String, u64)> {
        let header = self.bytes[range.clone()].first_chunk().and_then(archive::read_header);
        header.ok_or_else(|| Error::DamagedHeader { name: expected.to_owned() })
    }

    /// Contents of this size and their padding; returns where the contents lie.
    fn padded(&mut self, size: u64, name: &str) -> Result<Range<usize>> {
        let range = self.take(size, name)?;
        let padding = self.take(archive::padding_bytes(size), name)?;
        if self.bytes[padding].iter().any(|byte| *byte != 0) {
            return Err(Error::DamagedPadding { name: name.to_owned() });
        }
        Ok(range)
    }

    fn take(&mut self, length: u64, place: &str) -> Result<Range<usize>> {
        let start = self.bytes.len();
        let read = self.source.by_ref().take(length).read_to_end(&mut self.bytes);
        let read = read.map_err(|source| Error::Unreadable { place: place.to_owned(), source })?;
        if (read as u64) < length {
            return Err(Error::Truncated { place: place.to_owned() });
        }
        Ok(start..self.bytes.len())
    }

    fn begins_as_bundle(&self) -> bool {
        let magic = b"landfall.json\0";
        let length = self.bytes.len().min(magic.len());
        length > 0 && self.bytes[..length] == magic[..length]
    }
}

impl Area {
    fn add(&mut self, name: &str, message: &[u8], bytes: &[u8]) -> Result<()> {
        let misplaced = |expected: String| Err(Error::MisplacedFile { name: name.to_owned(), expected });
        if name.starts_with(SIGNATURES_FOLDER) && self.roots.is_empty() {
            let file = SignatureFile::read(name, bytes, message)?;
            if self.signatures.last().is_some_and(|last| last.key() >= file.key()) {
                return misplaced("signatures in the order of their key ids".to_owned());
            }
            self.signatures.push(file);
            return Ok(());
        }
        let next = self.roots.len() as u64 + 1;
        let expected = format!("{TRUST_FOLDER}{}", root_file_name(next));
        if name != expected {
            return misplaced(format!("{expected} or {BLOBS_DOCUMENT_NAME}"));
        }
        let root = Root::read(name, bytes)?;
        if root.number() != next {
            return misplaced(format!("root document {next}"));
        }
        self.roots.push(root);
        Ok(())
    }
}

fn not_a_bundle() -> Error {
    Error::NotABundle { place: "the file".to_owned() }
}

/// The list must have exactly the values of the entries, and each entry's must merge into its root.
fn check_chunk_list(blobs: &BlobsDocument, bytes: &[u8]) -> Result<()> {
    let (mut values, rest) = bytes.as_chunks::<32>();
    let damaged = |name: String| Err(Error::DamagedChunkList { name });
    if !rest.is_empty() || values.len() as u64 != blobs.chunk_values() {
        return damaged(BLOBS_DOCUMENT_NAME.to_owned());
    }
    for entry in blobs.entries() {
        let count = usize::try_from(chunk_values_of(entry.size)).unwrap_or(usize::MAX).min(values.len());
        let (own, later): (&[ChunkValue], _) = values.split_at(count);
        if count > 0 && root_of_chunks(entry.size, own) != Some(entry.blake3) {
            return damaged(entry.name());
        }
        values = later;
    }
    Ok(())
}

/// Names as the writer makes them.
pub(super) fn area_name(file: &AreaFile<'_>) -> String {
    match file {
        AreaFile::Signature(signature) => signature_file_name(signature.key()),
        AreaFile::Root(root) => format!("{TRUST_FOLDER}{}", root_file_name(root.number())),
    }
}

/// A file of the signature and trust area.
pub(super) enum AreaFile<'a> {
    Signature(&'a SignatureFile),
    Root(&'a Root),
}
