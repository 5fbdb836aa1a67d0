//! The position of every byte of the stream: a function of the head's length and `blobs.json`.
//!
//! A writer walks [`Layout::segments`]; a reader compares what it finds with them. Nothing in the archive after the
//! head says where something is or how long it is.

use std::ops::Range;

use crate::archive::{self, BLOCK_BYTES, END_BYTES, Header};
use crate::blobs::BlobsDocument;
use crate::chunks::{CHUNK_BYTES, chunk_count, chunk_len};
use crate::error::{Error, Result};
use crate::limits;

/// The position of every byte of the stream. All offsets count from the first byte of the stream, the head included.
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
    /// Bytes of the contents.
    pub size: u64,
    /// Offset of its header.
    pub header_offset: u64,
    mode: u32,
}

impl PlacedEntry {
    /// The one header it has.
    pub fn header(&self) -> Header {
        archive::header(&self.name, self.size, self.mode)
    }

    /// Offset of its first byte.
    pub const fn offset(&self) -> u64 {
        self.header_offset + BLOCK_BYTES
    }

    /// Offset after its last byte; padding follows.
    pub const fn end(&self) -> u64 {
        self.offset() + self.size
    }

    /// Offset of the next header, or of the end blocks.
    const fn next_offset(&self) -> u64 {
        self.header_offset + archive::file_bytes(self.size)
    }
}

/// A stretch of the stream, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Offset of its first byte.
    pub offset: u64,
    /// Bytes; 0 only for the contents of an empty entry.
    pub length: u64,
    /// What it is.
    pub kind: SegmentKind,
}

/// What a stretch of the stream is. Numbers are indexes into the entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentKind {
    /// Everything that `NAME.head` holds.
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
    /// The layout of everything after a head of this length.
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

    /// Bytes of the head, which is everything in `NAME.head`.
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

    /// The whole stream, in order, without gaps.
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

    /// The entry and the chunk of it that begin at a cut, or `None` where no part may begin. After the last chunk of an
    /// entry the index is its number of chunks; the end of the stream is not the beginning of anything.
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

    /// The range of the stream that a chunk occupies.
    pub fn chunk_range(&self, entry: usize, chunk: u64) -> Option<Range<u64>> {
        let placed = self.entries.get(entry)?;
        if chunk >= chunk_count(placed.size) {
            return None;
        }
        let start = placed.offset() + chunk * CHUNK_BYTES;
        Some(start..start + chunk_len(placed.size, chunk))
    }

    /// Cuts the stream into parts of at most `part_bytes` that end on the end of a chunk; the last one takes the end
    /// blocks. A bundle that fits into one part is not split.
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

    /// The last cut at or before an offset.
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

    /// The last entry whose contents begin at or before an offset.
    fn entry_before(&self, offset: u64) -> Option<usize> {
        self.entries.partition_point(|entry| entry.offset() <= offset).checked_sub(1)
    }
}

#[cfg(test)]
mod tests;
