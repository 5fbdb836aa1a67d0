//! Reader of a head from untrusted bytes.
//!
//! Threats, and the places of the defenses (the numbers are known attacks on archives in other tools):
//! 1. `..`, absolute paths, NUL, case or Unicode clashes: no name of the archive is used as a path; the names that can
//!    occur are fixed or restricted to lower-case ASCII (`document`, `signature_file_name`, `root_file_name`), and
//!    blobs are named by digest.
//! 2. Links, then writing through them (also hard links, replaced folders, modes changed through a link, set-user-id,
//!    devices, FIFOs): the type byte is part of the one header a file can have (`archive::header`).
//! 3. PAX against ustar sizes, PAX applied to other headers, broken PAX that is skipped, sparse maps, giant extension
//!    headers: the format has no extensions, and a header that differs in any byte is refused.
//! 4. Bombs by ratio, total or count: nothing is compressed; sizes are limited before anything is allocated (`limits`),
//!    and memory grows only with bytes that really arrive.
//! 5. Duplicates: names of documents and signatures are strictly ascending, roots are consecutive, blobs are a set.
//! 6. A second list that contradicts the first (zip's central directory): there is one signed list, and headers, order
//!    and padding are regenerated from it.
//! 7. Trailing data and joined streams: the signed length ends the stream (`stream`, `Opened::read_file`).
//! 8. Names like `.`, references out of the archive, links to devices inside documents: documents are data; their
//!    readers resolve nothing.
//! 9. JSON that two readers understand differently: see `json`.
//! 10. Valid signatures of something else: a signature covers the exact bytes of `landfall.json`, whose `type` is
//!     checked; roots are walked in `trust`.

use std::io::Read;
use std::ops::Range;

use sha2::{Digest, Sha256 as Sha256Hasher};

use super::CHUNK_LIST_NAME;
use super::area::Area;
use super::contents::Contents;
use super::document::{BundleDocument, FileDigest, LANDFALL_DOCUMENT_NAME, Program};
use crate::archive::{self, BLOCK_BYTES, Header};
use crate::blobs::{BLOBS_DOCUMENT_NAME, BlobsDocument, Place};
use crate::chunks::{ChunkValue, chunk_values_of, root_of_chunks};
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::limits;

/// Bytes reserved for a head. Most heads fit, so that none of their bytes are copied while they grow; the kernel
/// provides only the pages that are written.
const RESERVED_BYTES: usize = 1 << 20;

/// A head that is being read; `bytes` holds everything read so far.
#[derive(Debug)]
pub(super) struct Head<R> {
    source: R,
    pub(super) bytes: Vec<u8>,
}

impl<R: Read> Head<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, bytes: Vec::with_capacity(RESERVED_BYTES) }
    }

    /// Offset at which the area ends and the header of `blobs.json` begins. Valid once the area has been read.
    pub(super) fn area_end(&self) -> u64 {
        (self.bytes.len() - size_of::<Header>()) as u64
    }

    /// Reads `landfall.json`, by which a bundle is recognized.
    pub(super) fn first(&mut self) -> Result<Range<usize>> {
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
        self.read_padded(size, LANDFALL_DOCUMENT_NAME)
    }

    /// Reads the signature and trust area, up to and including the first header after it.
    pub(super) fn area(&mut self) -> Result<Area> {
        let mut area = Area::default();
        loop {
            let range = self.take(size_of::<Header>() as u64, "the signature and trust area")?;
            let header = self.bytes[range].first_chunk().and_then(archive::read_header);
            // Data after the area that this version cannot read was written by another version; that is not a matter of
            // trust.
            let Some((name, size)) = header.filter(|(name, _)| Area::holds(name)) else { return Ok(area) };
            area.admit(&name, size)?;
            let range = self.read_padded(size, &name)?;
            area.add(&name, &self.bytes[range]);
        }
    }

    /// Strictly reads everything after the area. The header of the first file was read with the area.
    pub(super) fn rest(mut self, landfall: Range<usize>) -> Result<Contents> {
        let area_end = self.area_end();
        let document = BundleDocument::read(&self.bytes[landfall.clone()])?;
        self.check_first_after_area()?;
        let blobs = self.contents(BLOBS_DOCUMENT_NAME, &document.blobs)?;
        let blobs = BlobsDocument::read(&self.bytes[blobs])?;
        let chunks = self.file(CHUNK_LIST_NAME, &document.chunks)?;
        check_chunk_list(&blobs, &self.bytes[chunks.clone()])?;
        let mut documents = Vec::with_capacity(document.documents.len());
        for named in &document.documents {
            documents.push(self.file(&named.name, &named.digest())?);
        }

        let layout = Layout::new(self.bytes.len() as u64, &blobs);
        let computed = layout.total_bytes() - area_end;
        if computed != document.payload_bytes {
            return Err(Error::WrongLength { computed, stated: document.payload_bytes });
        }
        if document.program != program(&blobs, &layout, area_end) {
            let source = "`program` is not the first blob".into();
            return Err(Error::InvalidDocument { name: LANDFALL_DOCUMENT_NAME.to_owned(), source });
        }
        let id = Sha256(Sha256Hasher::digest(&self.bytes[landfall.clone()]).into());
        Ok(Contents { head: self.bytes, id, landfall, document, blobs, chunks, documents, layout })
    }

    /// Returns an error for a well-formed file that does not belong after the area. [`Head::contents`] compares the
    /// header itself.
    fn check_first_after_area(&self) -> Result<()> {
        let header = self.bytes.last_chunk().and_then(archive::read_header);
        match header.filter(|(name, _)| name != BLOBS_DOCUMENT_NAME) {
            Some((name, _)) => Err(Error::MisplacedFile { name, expected: BLOBS_DOCUMENT_NAME.to_owned() }),
            None => Ok(()),
        }
    }

    /// Reads the header and contents of a file whose name and digest are known.
    fn file(&mut self, name: &str, digest: &FileDigest) -> Result<Range<usize>> {
        self.take(size_of::<Header>() as u64, name)?;
        self.contents(name, digest)
    }

    /// Reads the contents of a file whose header was just read; that header must be the only valid one.
    fn contents(&mut self, name: &str, digest: &FileDigest) -> Result<Range<usize>> {
        let header = self.bytes.len() - size_of::<Header>();
        if self.bytes[header..] != archive::header(name, digest.size, 0o644) {
            return Err(Error::DamagedHeader { name: name.to_owned() });
        }
        let range = self.read_padded(digest.size, name)?;
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

    /// Reads contents of this size and their padding; returns the range of the contents.
    fn read_padded(&mut self, size: u64, name: &str) -> Result<Range<usize>> {
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

/// Returns the program entry that `landfall.json` must have: the first blob and its offset.
pub(super) fn program(blobs: &BlobsDocument, layout: &Layout, area_end: u64) -> Program {
    let entry = blobs.entry_at(Place::Installer);
    let header = layout.entries().first().map_or(0, |placed| placed.header_offset);
    Program { offset: header + BLOCK_BYTES - area_end, sha256: entry.sha256, size: entry.size }
}

fn not_a_bundle() -> Error {
    Error::NotABundle { place: "the file".to_owned() }
}

/// Checks that the list has exactly the values of the entries, and that each entry's values merge into its root.
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
