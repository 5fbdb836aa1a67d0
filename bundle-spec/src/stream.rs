//! Verifies the stream after the head, byte by byte as it comes: nothing is handed out before its chunk has passed.
//!
//! Only BLAKE3 is computed. `blobs.json` binds SHA-256 and BLAKE3 of the same bytes and is itself bound by the
//! signature; the vendor computed both in one pass at ingestion. So what passes here has its SHA-256 as well.

use crate::archive::{END_BYTES, padding_bytes};
use crate::chunks::{CHUNK_BYTES, chunk_count, chunk_len};
use crate::error::{Error, Result};
use crate::head::Verified;

/// Verified bytes of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedChunk<'a> {
    /// Index into the entries of `blobs.json`.
    pub entry: usize,
    /// Offset of the bytes in the entry.
    pub offset: u64,
    /// At most [`CHUNK_BYTES`]; empty only where the entry is.
    pub bytes: &'a [u8],
    /// Whether the entry ends with them.
    pub last: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Header(usize),
    Chunk(usize, u64),
    Padding(usize),
    End,
    Nothing,
}

/// Takes the bytes after the head in pieces of any length and hands them out once verified.
#[derive(Debug)]
pub struct StreamVerifier<'v> {
    verified: &'v Verified,
    expected: Expected,
    buffer: Vec<u8>,
    /// The buffer's bytes were handed out by the last call.
    handed_out: bool,
}

impl<'v> StreamVerifier<'v> {
    /// Begins right after the head.
    pub fn new(verified: &'v Verified) -> Self {
        Self { verified, expected: Expected::Header(0), buffer: Vec::new(), handed_out: false }
    }

    /// Begins at a cut between parts, or right after the head; `None` where no part may begin.
    pub fn starting_at(verified: &'v Verified, offset: u64) -> Option<Self> {
        if offset == verified.layout().head_bytes() {
            return Some(Self::new(verified));
        }
        let (entry, chunk) = verified.layout().cut(offset)?;
        let expected = after_chunk(verified, entry, chunk);
        Some(Self { expected, ..Self::new(verified) })
    }

    /// How many bytes complete what is being read: who hands over exactly so many at a time has nothing copied.
    pub fn wanted(&self) -> usize {
        let held = if self.handed_out { 0 } else { self.buffer.len() };
        self.expected_bytes() - held
    }

    /// Takes bytes from the front of `input` until a chunk is complete and verified, and hands it out. `None` once
    /// `input` is empty and more is needed. An error is final.
    pub fn next<'b, 'i: 'b>(&'b mut self, input: &mut &'i [u8]) -> Result<Option<VerifiedChunk<'b>>> {
        if std::mem::take(&mut self.handed_out) {
            self.buffer.clear();
        }
        loop {
            let wanted = self.expected_bytes();
            let direct = if self.buffer.is_empty() && input.len() >= wanted {
                let (now, later) = input.split_at(wanted);
                *input = later;
                Some(now)
            } else {
                let missing = (wanted - self.buffer.len()).min(input.len());
                let (now, later) = input.split_at(missing);
                self.buffer.extend_from_slice(now);
                *input = later;
                if self.buffer.len() < wanted {
                    return Ok(None);
                }
                None
            };
            let bytes = direct.unwrap_or(&self.buffer);
            let checked = self.expected;
            self.check(bytes, input)?;
            self.expected = following(self.verified, checked);
            if let Expected::Chunk(entry, chunk) = checked {
                self.handed_out = direct.is_none();
                let last = !matches!(self.expected, Expected::Chunk(..));
                let offset = chunk * CHUNK_BYTES;
                return Ok(Some(VerifiedChunk { entry, offset, bytes: direct.unwrap_or(&self.buffer), last }));
            }
            self.buffer.clear();
            if self.expected == Expected::Nothing && input.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Whether the end of the stream was reached.
    pub fn is_finished(&self) -> bool {
        self.expected == Expected::Nothing
    }

    /// Ends the stream; refuses one that ended too early.
    pub fn finish(self) -> Result<()> {
        if self.is_finished() { Ok(()) } else { Err(Error::Truncated { place: self.place() }) }
    }

    fn check(&self, bytes: &[u8], rest: &[u8]) -> Result<()> {
        let entries = self.verified.layout().entries();
        match self.expected {
            Expected::Header(entry) if *bytes != entries[entry].header() => {
                Err(Error::DamagedHeader { name: entries[entry].name.clone() })
            }
            Expected::Chunk(entry, chunk) => self.verified.verify_chunk(entry, chunk, bytes),
            Expected::Padding(_) | Expected::End if bytes.iter().any(|byte| *byte != 0) => {
                Err(Error::DamagedPadding { name: self.place() })
            }
            Expected::Nothing if !rest.is_empty() => Err(Error::TrailingData { place: "the bundle".to_owned() }),
            _ => Ok(()),
        }
    }

    fn expected_bytes(&self) -> usize {
        let entries = self.verified.layout().entries();
        let bytes = match self.expected {
            Expected::Header(_) => 512,
            Expected::Chunk(entry, chunk) => chunk_len(entries[entry].size, chunk),
            Expected::Padding(entry) => padding_bytes(entries[entry].size),
            Expected::End => END_BYTES,
            Expected::Nothing => 0,
        };
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    fn place(&self) -> String {
        let entries = self.verified.layout().entries();
        match self.expected {
            Expected::Header(entry) => format!("the header of {}", entries[entry].name),
            Expected::Chunk(entry, _) | Expected::Padding(entry) => entries[entry].name.clone(),
            Expected::End | Expected::Nothing => "the last file".to_owned(),
        }
    }
}

/// What follows when this has passed. Empty padding is skipped.
fn following(verified: &Verified, expected: Expected) -> Expected {
    match expected {
        Expected::Header(entry) => Expected::Chunk(entry, 0),
        Expected::Chunk(entry, chunk) => after_chunk(verified, entry, chunk + 1),
        Expected::Padding(entry) if entry + 1 < verified.layout().entries().len() => Expected::Header(entry + 1),
        Expected::Padding(_) => Expected::End,
        Expected::End | Expected::Nothing => Expected::Nothing,
    }
}

/// What stands where the chunk with this index would begin.
fn after_chunk(verified: &Verified, entry: usize, chunk: u64) -> Expected {
    let size = verified.layout().entries()[entry].size;
    if chunk < chunk_count(size) {
        Expected::Chunk(entry, chunk)
    } else if padding_bytes(size) > 0 {
        Expected::Padding(entry)
    } else {
        following(verified, Expected::Padding(entry))
    }
}

#[cfg(test)]
mod tests;
