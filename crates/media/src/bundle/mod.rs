//! A bundle in place: found by content and read in place as one stream, never joined, changed or deleted. The stream of
//! a delta has gaps.
//!
//! Threats: all code in this module reads untrusted files. Names only determine the search order; a file's bytes and
//! the verified [`Payload`] decide its identity. No name from inside the bundle becomes a path. A stick may hold links,
//! pipes or devices under the names of parts: none is followed, waited for or opened (`open_regular`).

mod assemble;
mod delta;
mod locate;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

pub use self::locate::{UnverifiedBundle, locate, locate_counted};
use crate::contents::Contents;
use crate::counters::Counters;
use crate::disk::{DiskFile, DurableFile};
use crate::error::{MediaError, Result};
use crate::payload::{Payload, Piece};
use crate::pipeline::PieceReader;

/// A file of a bundle, or a run of bytes in a file of a delta, with its position in the stream.
#[derive(Debug, Clone)]
pub struct Part {
    /// Path of the file.
    pub path: PathBuf,
    /// Offset of its first byte in the stream.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// Offset of its first byte in the file.
    start: u64,
    file: Arc<DiskFile>,
}

/// All parts of one bundle, in order, with the values that verify their bytes. There are gaps only in a delta.
#[derive(Debug)]
pub struct BundleMedia {
    payload: Payload,
    contents: Contents,
    parts: Vec<Part>,
    counters: Counters,
    role: Role,
}

/// The purpose of reading the media. It determines which counter counts, and whether the page cache may answer for the
/// disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Read,
    ReadBack,
}

impl BundleMedia {
    /// Opens files that were just written, in order, to read them back and compare them with `contents`.
    pub(crate) fn for_read_back(
        payload: Payload,
        contents: Contents,
        paths: impl Iterator<Item = PathBuf>,
        counters: Counters,
    ) -> Result<Self> {
        let files = in_a_row(paths)?;
        let parts = delta::places(&payload, &contents, &files);
        Ok(Self { payload, contents, parts, counters, role: Role::ReadBack })
    }

    /// The part of a bundle, or of its delta, that has arrived so far, as one file that will have `announced_bytes`
    /// bytes. Only the arrived bytes can be read.
    pub(crate) fn arriving(payload: Payload, path: &Path, announced_bytes: u64) -> Result<Self> {
        let files = [open_part(path, 0)?];
        let contents = if announced_bytes == payload.layout().total_bytes() {
            Contents::all_blobs(&payload)
        } else {
            delta::arrived_contents(&payload, &files, announced_bytes)?
        };
        let parts = delta::places(&payload, &contents, &files);
        Ok(Self { payload, contents, parts, counters: Counters::new(), role: Role::Read })
    }

    /// The parts, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Number of files that hold the parts.
    pub fn files(&self) -> usize {
        self.parts.chunk_by(|one, next| one.path == next.path).count()
    }

    /// The payload of the bundle.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The blobs that are present: all of them, unless the bundle is a delta.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Counters of the bytes read.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns true if every part is read from its disk, as far as the kernel knows, and never from the page cache.
    pub(crate) fn is_past_cache(&self) -> bool {
        self.parts.iter().all(|part| part.file.is_past_cache())
    }

    /// Bytes of the stream that are present: all of them, unless the bundle is a delta.
    pub fn total_bytes(&self) -> u64 {
        self.contents.stream_bytes(&self.payload)
    }

    /// Every present piece after the head, in order.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece> + Send + '_ {
        self.payload.pieces_of(self.contents.blobs())
    }

    /// Fills the buffer, beginning at this offset of the stream.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset + filled as u64;
            let part = self.part_at(at)?;
            let within = at - part.offset;
            let rest = usize::try_from(part.length - within).unwrap_or(usize::MAX).min(buffer.len() - filled);
            read_exact_at(part, part.start + within, &mut buffer[filled..filled + rest])?;
            match self.role {
                Role::Read => self.counters.add_read(rest),
                Role::ReadBack => self.counters.add_read_back(rest),
            }
            filled += rest;
        }
        Ok(())
    }

    fn part_at(&self, offset: u64) -> Result<&Part> {
        let index = self.parts.partition_point(|part| part.offset <= offset);
        let part = index.checked_sub(1).and_then(|index| self.parts.get(index));
        part.filter(|part| offset - part.offset < part.length)
            .ok_or_else(|| MediaError::Bug(format!("byte {offset} is in no part of the bundle")))
    }

    /// Returns the file that holds this byte of the stream, and the byte's offset in that file.
    fn place(&self, offset: u64) -> (PathBuf, u64) {
        let place = |part: &Part| (part.path.clone(), part.start + offset - part.offset);
        self.part_at(offset).map_or_else(|_| (PathBuf::new(), offset), place)
    }
}

impl PieceReader for BundleMedia {
    fn read(&self, pieces: &[Piece], mut buffer: &mut [u8]) -> Result<()> {
        // Adjacent pieces are read with one call; bytes between other pieces are skipped.
        for run in pieces.chunk_by(|one, next| one.offset + one.length as u64 == next.offset) {
            let bytes = run.iter().map(|piece| piece.length).sum();
            let (now, later) = std::mem::take(&mut buffer).split_at_mut(bytes);
            self.read_at(run[0].offset, now)?;
            buffer = later;
        }
        Ok(())
    }

    fn damage_error(&self, payload: &Payload, piece: &Piece) -> MediaError {
        let (part, part_offset) = self.place(piece.offset);
        let what = payload.describe(piece);
        match self.role {
            Role::Read => MediaError::Damaged { part, part_offset, offset: piece.offset, what },
            Role::ReadBack => MediaError::ReadBack { part, part_offset, what },
        }
    }
}

fn read_exact_at(part: &Part, offset: u64, buffer: &mut [u8]) -> Result<()> {
    let count = part.file.read_at(offset, buffer).map_err(|error| MediaError::io("read", &part.path, error))?;
    if count == buffer.len() {
        return Ok(());
    }
    // The file has become shorter since its length was read.
    let length = part.file.length().unwrap_or(offset);
    let end = part.start.saturating_add(part.length);
    Err(MediaError::Short { path: part.path.clone(), missing: end.saturating_sub(length) })
}

fn open_part(path: &Path, offset: u64) -> Result<Part> {
    let (file, length) = open_regular(path)?;
    Ok(Part { path: path.to_owned(), offset, length, start: 0, file: Arc::new(DiskFile::reading(file)) })
}

/// Opens files of one stream; each continues where the previous one ends.
fn in_a_row(paths: impl Iterator<Item = PathBuf>) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    for path in paths {
        let offset = parts.last().map_or(0, |part| part.offset + part.length);
        parts.push(open_part(&path, offset)?);
    }
    Ok(parts)
}

/// Opens a regular file and returns it with its length. A link is not followed. A pipe or device that has replaced the
/// file since it was listed neither blocks nor is read.
pub(crate) fn open_regular(path: &Path) -> Result<(File, u64)> {
    let at = |error| MediaError::io("open", path, error);
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path).map_err(at)?;
    let metadata = file.metadata().map_err(at)?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(MediaError::BundleNotFound(path.to_owned())) }
}
