//! The files of a new bundle: an append-only stream, split at the planned places. No file has its final name before it
//! is whole.
//!
//! Parts are written as `NAME.partial`, past the page cache, so that reading them back reads the stick. Their SHA-256
//! is computed while a thread writes. Space for all of them, and for the files next to them, is reserved before the
//! first byte. A full stick must be noticed before hours of writing.

mod output;
mod publish;
pub mod sums;
mod unfinished;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::limits::PARTS;
use landfall_bundle_spec::parts::{BundleName, FileKind};
use sha2::Digest;

use crate::contents::Contents;
use crate::counters::Counters;
use crate::disk::{DiskFile, DurableFile, PacedFile};
use crate::durable::{self, DurableError};
use crate::error::{MediaError, PathContext, Result};
use crate::partial::partial_name;
use crate::payload::Payload;

pub use output::Output;
pub use publish::Parts;
pub use sums::SUMS_NAME;
pub use unfinished::supersede;

/// Maximum number of parts that are open at the same time with reserved space: enough for half a terabyte in parts for
/// FAT32.
const RESERVED_PARTS: usize = 128;

/// Bytes reserved for the transfer sheet, the list of digests and the folder's own entries, in addition to files of
/// known size.
const BESIDE_BYTES: u64 = 1024 * 1024;

/// A file of a finished bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenFile {
    /// Name in the output folder.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// Digest, as in `SHA256SUMS`.
    pub sha256: Sha256,
}

/// Function that creates the small files next to a bundle, as names and bytes, from the list of written files.
pub type OtherFiles<'a> = dyn Fn(&[WrittenFile]) -> Vec<(String, Vec<u8>)> + 'a;

/// Writes the stream of a bundle into its parts. If dropped before [`Parts::publish`], it leaves no files behind.
#[derive(Debug)]
pub struct PartWriter {
    folder: PathBuf,
    stem: BundleName,
    /// Parts that are not yet begun, with reserved space.
    coming: VecDeque<OpenPart>,
    /// Later parts; their space is reserved when their turn comes.
    later: VecDeque<(String, Range<u64>)>,
    current: Option<OpenPart>,
    position: u64,
    written: UnpublishedFiles,
    counters: Counters,
}

/// The names of the files of a stream, and the byte range of each. The ranges follow each other without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFiles {
    names: Vec<String>,
    ranges: Vec<Range<u64>>,
}

impl PlannedFiles {
    /// Plans the files of a bundle, of at most `part_bytes` bytes each.
    pub fn of_bundle(payload: &Payload, part_bytes: Option<u64>) -> Result<Self> {
        let ranges = payload.layout().parts(part_bytes.unwrap_or(u64::MAX))?;
        Ok(Self { names: payload.verified_head().bundle_name().parts(ranges.len()), ranges })
    }

    /// Plans the files of a delta with these contents, of at most `part_bytes` bytes each. The whole head is in the
    /// first one.
    pub fn of_delta(payload: &Payload, contents: &Contents, part_bytes: Option<u64>) -> Result<Self> {
        let total = contents.stream_bytes(payload);
        let part_bytes = part_bytes.unwrap_or(u64::MAX).min(total);
        let head = payload.layout().head_bytes();
        let count = total.div_ceil(part_bytes.max(1));
        if part_bytes < head || count > PARTS as u64 {
            let reason = format!("the head has {head} bytes, and there would be {count} parts of at most {PARTS}");
            return Err(landfall_bundle_spec::Error::PartSize { part_bytes, reason }.into());
        }
        let ranges: Vec<_> =
            (0..count).map(|part| part * part_bytes..total.min((part + 1).saturating_mul(part_bytes))).collect();
        Ok(Self { names: payload.verified_head().bundle_name().delta_parts(ranges.len()), ranges })
    }
}

#[derive(Debug)]
struct OpenPart {
    name: String,
    range: Range<u64>,
    file: PacedFile,
    sha256: sha2::Sha256,
}

/// Files under partial names, removed when dropped.
#[derive(Debug)]
struct UnpublishedFiles {
    folder: PathBuf,
    files: Vec<WrittenFile>,
    /// Open files, whose locks show a sweep that they are in use.
    open: Vec<File>,
    begun: Vec<String>,
    /// The head under its partial name, with space reserved after it for small files.
    head: Option<File>,
}

impl PartWriter {
    /// Creates the files in the output's folder, and the folder itself, and removes unfinished files of earlier builds.
    /// Returns an error if a file would be replaced, if another build writes the same bundle there, or if the folder
    /// lacks space.
    pub fn create(output: &Output<'_>, payload: &Payload, planned: PlannedFiles, counters: Counters) -> Result<Self> {
        let folder = output.folder;
        let PlannedFiles { names, ranges } = planned;
        let total = ranges.last().map_or(0, |range| range.end);
        let stem = payload.verified_head().bundle_name();
        durable::create_folder(folder)?;
        unfinished::remove(folder)?;
        for name in names.iter().chain([&stem.file(FileKind::Head)]) {
            if folder.join(name).exists() {
                return Err(MediaError::OutputExists(folder.join(name)));
            }
        }
        // A list that cannot be preserved must be noticed before hours of writing.
        sums::lines_of_other_files(folder, &[])?;
        let head = payload.verified_head().head_bytes();
        let beside_bytes = BESIDE_BYTES.saturating_add(output.others_bytes);
        check_space(folder, total, beside_bytes.saturating_add(head.len() as u64))?;
        let written = UnpublishedFiles {
            folder: folder.to_owned(),
            files: Vec::new(),
            open: Vec::new(),
            begun: Vec::new(),
            head: None,
        };
        let mut writer = Self {
            folder: folder.to_owned(),
            stem,
            coming: VecDeque::new(),
            later: names.into_iter().zip(ranges).collect(),
            current: None,
            position: 0,
            written,
            counters,
        };
        writer.begin_head(head, beside_bytes)?;
        while writer.coming.len() < RESERVED_PARTS
            && let Some((name, range)) = writer.later.pop_front()
        {
            let part = writer.begin_part(name, range)?;
            writer.coming.push_back(part);
        }
        Ok(writer)
    }

    /// Appends to the stream. Returns how many more bytes than before are on the disk.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<u64> {
        let mut synced = 0;
        while !bytes.is_empty() {
            if self.current.is_none() {
                self.current = Some(self.next_part()?);
            }
            let Some(part) = &mut self.current else { break };
            let room = usize::try_from(part.range.end - self.position).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at(room);
            part.sha256.update(now);
            synced += part.file.write(now)?;
            self.position += room as u64;
            bytes = later;
            if self.position == part.range.end {
                synced += self.close_current()?;
            }
        }
        Ok(synced)
    }

    /// Ends the stream. Every part is now whole and on the disk, still under its partial name.
    pub fn finish(self) -> Result<Parts> {
        if self.current.is_some() || !self.coming.is_empty() || !self.later.is_empty() {
            return Err(MediaError::Bug(format!("the stream ends at byte {} inside a part", self.position)));
        }
        Ok(Parts { stem: self.stem, written: self.written, counters: self.counters })
    }

    fn next_part(&mut self) -> Result<OpenPart> {
        if let Some(part) = self.coming.pop_front() {
            return Ok(part);
        }
        let end = || MediaError::Bug(format!("more than the {} bytes of the layout", self.position));
        let (name, range) = self.later.pop_front().ok_or_else(end)?;
        self.begin_part(name, range)
    }

    /// Writes the head, which marks the bundle as unfinished, and reserves space for the files that are written next to
    /// the parts at the end.
    fn begin_head(&mut self, head: &[u8], beside_bytes: u64) -> Result<()> {
        let name = self.stem.file(FileKind::Head);
        let path = self.folder.join(partial_name(&name));
        let mut file = unfinished::create(&path)?;
        self.written.begun.push(name);
        file.write_all(head).map_err(|error| DurableError::io("write", &path, error))?;
        durable::sync_file(&file, &path)?;
        self.counters.add_written(head.len());
        let disk = DiskFile::reading(file.try_clone().at("open", &path)?);
        let length = head.len() as u64;
        disk.reserve(length, length.saturating_add(beside_bytes))
            .map_err(|error| DurableError::io("reserve space for", &path, error))?;
        self.written.head = Some(file);
        Ok(())
    }

    fn begin_part(&mut self, name: String, range: Range<u64>) -> Result<OpenPart> {
        let path = self.folder.join(partial_name(&name));
        let file = unfinished::create(&path)?;
        self.written.begun.push(name.clone());
        let file = PacedFile::new(DiskFile::writing(file), path, 0, self.counters.clone());
        file.reserve(range.end - range.start)?;
        Ok(OpenPart { name, range, file, sha256: sha2::Sha256::new() })
    }

    fn close_current(&mut self) -> Result<u64> {
        let Some(mut part) = self.current.take() else { return Ok(0) };
        let synced = part.file.sync()?;
        let path = part.file.path().to_owned();
        self.written.open.push(part.file.file().file().try_clone().at("open", &path)?);
        let sha256 = Sha256(part.sha256.finalize().into());
        self.written.files.push(WrittenFile { name: part.name, size: part.range.end - part.range.start, sha256 });
        Ok(synced)
    }
}

impl Drop for UnpublishedFiles {
    fn drop(&mut self) {
        for name in &self.begun {
            // Best effort: the next build removes leftovers.
            let _ = durable::remove_file(&self.folder.join(partial_name(name)));
        }
    }
}

/// Returns an error if the folder lacks space for the stream and the files next to it.
fn check_space(folder: &Path, stream: u64, beside: u64) -> Result<()> {
    let needed = stream.saturating_add(beside);
    let available = available_bytes(folder)?;
    if available < needed {
        return Err(MediaError::NoSpace { folder: folder.to_owned(), needed, available });
    }
    Ok(())
}

/// Bytes available on the filesystem of a folder.
pub(crate) fn available_bytes(folder: &Path) -> Result<u64> {
    let status = rustix::fs::statvfs(folder).map_err(io::Error::from).at("look at", folder)?;
    Ok(status.f_bavail.saturating_mul(status.f_frsize))
}

#[cfg(test)]
mod tests;
