//! A bundle in place: found by content, read in place as one stream, never joined, changed or deleted. Of a delta, the stream has
//! gaps.
//!
//! Threats: everything here reads untrusted files. Names only determine the search order; a file's bytes and the
//! verified [`Payload`] decide what it is. No name from inside the bundle becomes a path. A stick may hold links, pipes
//! and devices under the names of parts: none is followed, waited for or opened (`open_regular`).

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

pub use self::locate::{Located, locate, locate_counted};
use crate::contents::Contents;
use crate::counters::Counters;
use crate::disk::{DiskFile, DurableFile};
use crate::error::{MediaError, Result};
use crate::payload::{Payload, Piece};
use crate::pipeline::PieceReader;

/// A file of a bundle, or a run of bytes in a file of a delta, and which bytes of the stream it holds.
#[derive(Debug, Clone)]
pub struct Part {
    /// Path of the file.
    pub path: PathBuf,
    /// Its first byte in the stream.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// Its first byte in the file.
    start: u64,
    file: Arc<DiskFile>,
}

/// All the parts of one bundle, in order, with what their bytes are checked against. Without gaps, unless it is a delta.
#[derive(Debug)]
pub struct BundleMedia {
    payload: Payload,
    contents: Contents,
    parts: Vec<Part>,
    counters: Counters,
    role: Role,
}

/// Why the media is read; it decides what is counted and whether memory may answer for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Read,
    ReadBack,
}

impl BundleMedia {
    /// Files that were just written, in order, to be read back: they should hold these contents.
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

    /// What has arrived of a bundle, or of a delta of it, that comes as one file of so many bytes: only that much can be read of it.
    pub(crate) fn arriving(payload: Payload, path: &Path, announced_bytes: u64) -> Result<Self> {
        let files = [open_part(path, 0)?];
        let contents = if announced_bytes == payload.layout().total_bytes() {
            Contents::whole(&payload)
        } else {
            delta::arrived(&payload, &files, announced_bytes)?
        };
        let parts = delta::places(&payload, &contents, &files);
        Ok(Self { payload, contents, parts, counters: Counters::new(), role: Role::Read })
    }

    /// The parts, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// How many files hold them.
    pub fn files(&self) -> usize {
        self.parts.chunk_by(|one, next| one.path == next.path).count()
    }

    /// What the stream holds.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Which blobs of it are here: all of them, unless it is a delta.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Where reads are counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether every part is read from its disk, as far as the kernel knows, and never from memory.
    pub(crate) fn is_past_cache(&self) -> bool {
        self.parts.iter().all(|part| part.file.is_past_cache())
    }

    /// Bytes of the stream that are here: all of them, unless it is a delta.
    pub fn total_bytes(&self) -> u64 {
        self.contents.stream_bytes(&self.payload)
    }

    /// Every piece that is here after the head, in order.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece> + Send + '_ {
        self.payload.pieces_of(self.contents.blobs())
    }

    /// Fills the buffer from this offset of the stream.
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

    /// The file, and the offset in it, of this byte of the stream.
    fn place(&self, offset: u64) -> (PathBuf, u64) {
        let place = |part: &Part| (part.path.clone(), part.start + offset - part.offset);
        self.part_at(offset).map_or_else(|_| (PathBuf::new(), offset), place)
    }
}

impl PieceReader for BundleMedia {
    fn read(&self, pieces: &[Piece], mut buffer: &mut [u8]) -> Result<()> {
        // Adjacent pieces are read at once; the bytes between other pieces are not wanted.
        for run in pieces.chunk_by(|one, next| one.offset + one.length as u64 == next.offset) {
            let bytes = run.iter().map(|piece| piece.length).sum();
            let (now, later) = std::mem::take(&mut buffer).split_at_mut(bytes);
            self.read_at(run[0].offset, now)?;
            buffer = later;
        }
        Ok(())
    }

    fn damaged(&self, payload: &Payload, piece: &Piece) -> MediaError {
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
    // It was longer when its length was read.
    let length = part.file.length().unwrap_or(offset);
    let end = part.start.saturating_add(part.length);
    Err(MediaError::Short { path: part.path.clone(), missing: end.saturating_sub(length) })
}

fn open_part(path: &Path, offset: u64) -> Result<Part> {
    let (file, length) = open_regular(path)?;
    Ok(Part { path: path.to_owned(), offset, length, start: 0, file: Arc::new(DiskFile::reading(file)) })
}

/// Opens files of one stream, each of which begins where the one before ends.
fn in_a_row(paths: impl Iterator<Item = PathBuf>) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    for path in paths {
        let offset = parts.last().map_or(0, |part| part.offset + part.length);
        parts.push(open_part(&path, offset)?);
    }
    Ok(parts)
}

/// Opens a regular file and returns its length. A link is not followed; a pipe or device that replaced the file since
/// it was listed neither blocks nor is read.
pub(crate) fn open_regular(path: &Path) -> Result<(File, u64)> {
    let at = |error| MediaError::io("open", path, error);
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path).map_err(at)?;
    let metadata = file.metadata().map_err(at)?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(MediaError::BundleNotFound(path.to_owned())) }
}
