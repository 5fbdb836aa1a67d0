//! The position of every byte of the stream, as a function of the head's length and `blobs.json`.
//!
//! A writer walks [`Layout::segments`]; a reader compares the stream with them. No data in the archive after the head
//! says where something is or how long it is.

use std::ops::Range;

use crate::archive::{self, BLOCK_BYTES, END_BYTES, Header};
use crate::blobs::BlobsDocument;
use crate::chunks::{CHUNK_BYTES, chunk_count, chunk_len};
use crate::error::{Error, Result};
use crate::limits;

/// The position of every byte of the stream. All offsets count from the first byte of the stream, including the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    head_bytes: u64,
    entries: Vec<PlacedEntry>,
    total_bytes: u64,
}

/// One entry of `blobs.json` and its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedEntry {
    /// Name in the archive; never a path to write to.
    pub name: String,
    /// Size of the contents in bytes.
    pub size: u64,
    /// Offset of the header.
    pub header_offset: u64,
    mode: u32,
}

impl PlacedEntry {
    /// Returns the only valid header of the entry.
    pub fn header(&self) -> Header {
        archive::header(&self.name, self.size, self.mode)
    }

    /// Offset of the first byte of the contents.
    pub const fn offset(&self) -> u64 {
        self.header_offset + BLOCK_BYTES
    }

    /// Offset after the last byte of the contents; padding follows.
    pub const fn end(&self) -> u64 {
        self.offset() + self.size
    }

    /// Offset of the next header, or of the end blocks.
    const fn next_offset(&self) -> u64 {
        self.header_offset + archive::file_bytes(self.size)
    }
}

/// A segment of the stream, with its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Offset of its first byte.
    pub offset: u64,
    /// Length in bytes; 0 only for the contents of an empty entry.
    pub length: u64,
    /// Kind of the segment.
    pub kind: SegmentKind,
}

/// The kind of a segment. Numbers are indexes into the entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentKind {
    /// The head, as in `NAME.head`.
    Head,
    /// [`PlacedEntry::header`] of the entry.
    Header(usize),
    /// The contents of the entry.
    Contents(usize),
    /// Zero bytes after the entry.
    Padding(usize),
    /// Zero bytes that end the archive.
    End,
}

impl Layout {
    /// Computes the layout of everything after a head of this length.
    pub fn new(head_bytes: u64, blobs: &BlobsDocument) -> Self {
        let mut offset = head_bytes;
        let mut entries = Vec::with_capacity(blobs.entries().len());
        for entry in blobs.entries() {
            let placed =
                PlacedEntry { name: entry.name(), size: entry.size, header_offset: offset, mode: entry.mode() };
            offset = placed.next_offset();
            entries.push(placed);
        }
        Self { head_bytes, entries, total_bytes: offset + END_BYTES }
    }

    /// Bytes of the head, as in `NAME.head`.
    pub const fn head_bytes(&self) -> u64 {
        self.head_bytes
    }

    /// Bytes of the whole stream.
    pub const fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// The entries of `blobs.json`, in order, with their positions.
    pub fn entries(&self) -> &[PlacedEntry] {
        &self.entries
    }

    /// The segments of the whole stream, in order, without gaps.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        let head = Segment { offset: 0, length: self.head_bytes, kind: SegmentKind::Head };
        let end = Segment { offset: self.total_bytes - END_BYTES, length: END_BYTES, kind: SegmentKind::End };
        let files = self.entries.iter().enumerate().flat_map(|(index, entry)| {
            let padding = archive::padding_bytes(entry.size);
            [
                Segment { offset: entry.header_offset, length: BLOCK_BYTES, kind: SegmentKind::Header(index) },
                Segment { offset: entry.offset(), length: entry.size, kind: SegmentKind::Contents(index) },
                Segment { offset: entry.end(), length: padding, kind: SegmentKind::Padding(index) },
            ]
            .into_iter()
            .filter(|segment| segment.length > 0 || matches!(segment.kind, SegmentKind::Contents(_)))
        });
        std::iter::once(head).chain(files).chain(std::iter::once(end))
    }

    /// Returns the entry and its chunk that begin at a cut, or `None` if no part may begin there. After the last chunk
    /// of an entry, the chunk's index is the number of chunks. At the end of the stream, nothing begins.
    pub fn cut(&self, offset: u64) -> Option<(usize, u64)> {
        let index = self.entry_before(offset)?;
        let entry = &self.entries[index];
        let within = offset - entry.offset();
        if within == entry.size {
            Some((index, chunk_count(entry.size)))
        } else {
            (within > 0 && within < entry.size && within.is_multiple_of(CHUNK_BYTES))
                .then_some((index, within / CHUNK_BYTES))
        }
    }

    /// Returns the range of the stream that a chunk occupies.
    pub fn chunk_range(&self, entry: usize, chunk: u64) -> Option<Range<u64>> {
        let placed = self.entries.get(entry)?;
        if chunk >= chunk_count(placed.size) {
            return None;
        }
        let start = placed.offset() + chunk * CHUNK_BYTES;
        Some(start..start + chunk_len(placed.size, chunk))
    }

    /// Cuts the stream into parts of at most `part_bytes` that end at the end of a chunk; the last part includes the
    /// end blocks. A bundle that fits into one part is not split.
    pub fn parts(&self, part_bytes: u64) -> Result<Vec<Range<u64>>> {
        let fail = |reason: String| Error::PartSize { part_bytes, reason };
        let mut parts = Vec::new();
        let mut start = 0;
        while self.total_bytes - start > part_bytes {
            let end = self.last_cut(start + part_bytes).filter(|end| *end > start).ok_or_else(|| {
                fail(format!("no chunk ends between bytes {start} and {}", start.saturating_add(part_bytes)))
            })?;
            parts.push(start..end);
            start = end;
            if parts.len() == limits::PARTS {
                return Err(fail(format!("there would be more than {} parts", limits::PARTS)));
            }
        }
        parts.push(start..self.total_bytes);
        Ok(parts)
    }

    /// Returns the last cut at or before an offset.
    fn last_cut(&self, limit: u64) -> Option<u64> {
        let index = self.entry_before(limit)?;
        let entry = &self.entries[index];
        if limit >= entry.end() {
            return Some(entry.end());
        }
        let whole = (limit - entry.offset()) / CHUNK_BYTES * CHUNK_BYTES;
        if whole > 0 {
            Some(entry.offset() + whole)
        } else {
            self.entries.get(index.checked_sub(1)?).map(PlacedEntry::end)
        }
    }

    /// Returns the last entry whose contents begin at or before an offset.
    fn entry_before(&self, offset: u64) -> Option<usize> {
        self.entries.partition_point(|entry| entry.offset() <= offset).checked_sub(1)
    }
}

#[cfg(test)]
mod tests;
