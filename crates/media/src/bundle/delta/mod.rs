//! Deltas: the stream of a bundle without the entries of blobs that a site already holds. A delta does not list its
//! blobs: the verified head has a header for each blob. Each header in the files must be one of those, in the same
//! order.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::parts::{BundleName, FileKind};
use landfall_bundle_spec::{END_BYTES, file_bytes};

use super::locate::name;
use super::{BundleMedia, Part, Role, UnverifiedBundle, in_a_row, read_exact_at};
use crate::contents::Contents;
use crate::counters::Counters;
use crate::error::{MediaError, Result};
use crate::payload::Payload;

/// Bytes of a tar header. The end of the archive is as long as two headers.
const HEADER_BYTES: usize = 512;

/// Maximum length in bytes of the name in a header; a NUL ends a shorter one.
const NAME_BYTES: usize = 100;

impl UnverifiedBundle {
    /// Returns the delta that begins with this file, or `None` if the file is not a delta. Returns an error for a file
    /// that has the name of a delta but is not one.
    pub(super) fn delta(&self, payload: &Payload, first: &Part, counters: &Counters) -> Result<Option<BundleMedia>> {
        let named = BundleName::parse(&name(&first.path));
        let files = match &named {
            // A numbered part of a whole bundle: its headers are not read a second time.
            Some((_, FileKind::Part(_))) => return Ok(None),
            Some((stem, FileKind::DeltaPart(1))) => in_a_row(self.files_of_delta(stem, &first.path))?,
            _ => vec![first.clone()],
        };
        match contents(payload, &files, counters) {
            Ok(contents) => {
                let parts = places(payload, &contents, &files);
                let media = BundleMedia {
                    payload: payload.clone(),
                    contents,
                    parts,
                    counters: counters.clone(),
                    role: Role::Read,
                };
                Ok(Some(media))
            }
            Err(error) if matches!(named, Some((_, FileKind::Delta | FileKind::DeltaPart(_)))) => {
                Err(self.missing_part(&files).unwrap_or(error))
            }
            // A file with the name of a whole bundle may have an end that was overwritten with zeros.
            Err(error @ MediaError::SurplusData { .. }) if !matches!(named, Some((_, FileKind::Whole))) => Err(error),
            Err(error) if error.is_unreadable() => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// The first file, and the files next to it with consecutive numbers.
    fn files_of_delta(&self, stem: &BundleName, first: &Path) -> impl Iterator<Item = PathBuf> {
        let next = (2..).map_while(|number| {
            let wanted = stem.file(FileKind::DeltaPart(number));
            self.candidates.iter().find(|path| name(path) == wanted).cloned()
        });
        std::iter::once(first.to_owned()).chain(next)
    }

    /// Returns the error for the missing next part if the files of a delta in parts end too early.
    fn missing_part(&self, files: &[Part]) -> Option<MediaError> {
        let (stem, FileKind::DeltaPart(_)) = BundleName::parse(&name(&files.first()?.path))? else { return None };
        let last = files.last()?;
        let name = stem.file(FileKind::DeltaPart(files.len() + 1));
        Some(MediaError::PartMissing { folder: self.folder.clone(), name, offset: last.offset + last.length })
    }
}

/// Returns the blobs that follow the head in these files, up to their end. Reads only the headers.
fn contents(payload: &Payload, files: &[Part], counters: &Counters) -> Result<Contents> {
    let end = files.last().map_or(0, |file| file.offset + file.length);
    let (blobs, position) = walk(payload, files, end, counters)?;
    let wanted = position.saturating_add(END_BYTES);
    if let Some(last) = files.last().filter(|_| wanted > end) {
        return Err(MediaError::Short { path: last.path.clone(), missing: wanted - end });
    }
    // A part of a whole bundle may have the length that a delta would have if the part's last entry were the end.
    let mut zeros = [0; 2 * HEADER_BYTES];
    read_at(files, position, &mut zeros)?;
    match files.last() {
        _ if zeros.iter().any(|byte| *byte != 0) => Err(damage_error(files, position)),
        Some(last) if wanted < end => Err(MediaError::SurplusData { path: last.path.clone(), surplus: end - wanted }),
        _ => Ok(Contents::of(blobs)),
    }
}

/// Returns the blobs that follow the head in a file that is still arriving and will have `announced_bytes` bytes. A
/// complete file must end as a delta does.
pub(super) fn arrived_contents(payload: &Payload, files: &[Part], announced_bytes: u64) -> Result<Contents> {
    let there = files.last().map_or(0, |file| file.offset + file.length);
    if there >= announced_bytes {
        return contents(payload, files, &Counters::new());
    }
    // The last bytes of the complete file are the end of the archive, not a header.
    let headers = there.min(announced_bytes.saturating_sub(END_BYTES));
    Ok(Contents::of(walk(payload, files, headers, &Counters::new())?.0))
}

/// Returns the blobs whose headers lie in these files before this offset, and the offset at which the last of them
/// ends.
fn walk(payload: &Payload, files: &[Part], end: u64, counters: &Counters) -> Result<(Vec<usize>, u64)> {
    let entries = payload.layout().entries();
    let by_name: HashMap<&[u8], usize> =
        entries.iter().enumerate().map(|(index, entry)| (entry.name.as_bytes(), index)).collect();
    let mut position = payload.layout().head_bytes();
    let mut blobs: Vec<usize> = Vec::new();
    while position.saturating_add(HEADER_BYTES as u64) <= end {
        let mut header = [0; HEADER_BYTES];
        read_at(files, position, &mut header)?;
        counters.add_read(header.len());
        if header == [0; HEADER_BYTES] {
            break;
        }
        let name = header[..NAME_BYTES].split(|byte| *byte == 0).next().unwrap_or_default();
        let follows = |blob: &usize| blobs.last().is_none_or(|last| last < blob) && entries[*blob].header() == header;
        let blob = by_name.get(name).copied().filter(follows).ok_or_else(|| damage_error(files, position))?;
        blobs.push(blob);
        position = position.saturating_add(file_bytes(entries[blob].size));
    }
    Ok((blobs, position))
}

fn damage_error(files: &[Part], position: u64) -> MediaError {
    let file = files.iter().rfind(|file| file.offset <= position);
    let (part, part_offset) = file.map(|file| (file.path.clone(), position - file.offset)).unwrap_or_default();
    let what = "no entry of the bundle that may follow here has this header".to_owned();
    MediaError::Damaged { part, part_offset, offset: position, what }
}

fn read_at(files: &[Part], mut position: u64, mut buffer: &mut [u8]) -> Result<()> {
    for file in files.iter().filter(|file| file.length > 0) {
        let Some(within) = position.checked_sub(file.offset).filter(|within| *within < file.length) else { continue };
        let rest = usize::try_from(file.length - within).unwrap_or(usize::MAX).min(buffer.len());
        let (now, later) = buffer.split_at_mut(rest);
        read_exact_at(file, within, now)?;
        (position, buffer) = (position + rest as u64, later);
    }
    Ok(())
}

/// Returns the runs of the stream that these files hold. Each file continues where the previous one ends. Bytes after
/// these contents belong nowhere.
pub(super) fn places(payload: &Payload, contents: &Contents, files: &[Part]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut position = 0;
    for (offset, length) in runs(payload, contents) {
        for file in files {
            let begin = position.max(file.offset);
            let end = (position + length).min(file.offset + file.length);
            if begin < end {
                let offset = offset + (begin - position);
                parts.push(Part { offset, length: end - begin, start: begin - file.offset, ..file.clone() });
            }
        }
        position += length;
    }
    parts
}

/// The runs of the whole stream that make up these contents, each as its first byte and its length.
fn runs(payload: &Payload, contents: &Contents) -> Vec<(u64, u64)> {
    let layout = payload.layout();
    let mut runs = vec![(0, layout.head_bytes())];
    let entry = |blob: &usize| {
        let entry = &layout.entries()[*blob];
        (entry.header_offset, file_bytes(entry.size))
    };
    let end = (layout.total_bytes() - END_BYTES, END_BYTES);
    for (offset, length) in contents.blobs().iter().map(entry).chain([end]) {
        match runs.last_mut() {
            Some((first, bytes)) if *first + *bytes == offset => *bytes += length,
            _ => runs.push((offset, length)),
        }
    }
    runs
}

#[cfg(test)]
mod tests;
