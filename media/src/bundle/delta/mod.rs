//! A delta: a bundle's stream from which the entries of blobs were left out that a site holds. Nothing in it says which: the head, which was
//! verified, has a header for each blob, and each header in the files is one of those, in the same order.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::parts::{BundleName, FileKind};
use landfall_bundle_spec::{END_BYTES, file_bytes};

use super::locate::name;
use super::{BundleMedia, Located, Part, Role, in_a_row, read_exact_at};
use crate::contents::Contents;
use crate::counters::Counters;
use crate::error::{MediaError, Result};
use crate::payload::Payload;

/// Bytes of a header. The end of the archive is as long as two.
const HEADER_BYTES: usize = 512;

/// The longest name in a header, which a NUL ends.
const NAME_BYTES: usize = 100;

impl Located {
    /// The delta that begins with this file, or `None` where that is no delta. A file that has the name of one and is none is refused.
    pub(super) fn delta(&self, payload: &Payload, first: &Part, counters: &Counters) -> Result<Option<BundleMedia>> {
        let named = BundleName::parse(&name(&first.path));
        let files = match &named {
            // Its headers are not read twice: it is one of several.
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
            // A whole bundle by its name may have lost its end to zeros.
            Err(error @ MediaError::SurplusData { .. }) if !matches!(named, Some((_, FileKind::Whole))) => Err(error),
            Err(error) if error.is_unreadable() => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// The first file and those beside it with the numbers that follow.
    fn files_of_delta(&self, stem: &BundleName, first: &Path) -> impl Iterator<Item = PathBuf> {
        let next = (2..).map_while(|number| {
            let wanted = stem.file(FileKind::DeltaPart(number));
            self.candidates.iter().find(|path| name(path) == wanted).cloned()
        });
        std::iter::once(first.to_owned()).chain(next)
    }

    /// What is missing where the files of a delta in parts end too early.
    fn missing_part(&self, files: &[Part]) -> Option<MediaError> {
        let (stem, FileKind::DeltaPart(_)) = BundleName::parse(&name(&files.first()?.path))? else { return None };
        let last = files.last()?;
        let name = stem.file(FileKind::DeltaPart(files.len() + 1));
        Some(MediaError::PartMissing { folder: self.folder.clone(), name, offset: last.offset + last.length })
    }
}

/// Which blobs follow the head in these files, to their end. Reads the headers alone.
fn contents(payload: &Payload, files: &[Part], counters: &Counters) -> Result<Contents> {
    let end = files.last().map_or(0, |file| file.offset + file.length);
    let (blobs, position) = walk(payload, files, end, counters)?;
    let wanted = position.saturating_add(END_BYTES);
    if let Some(last) = files.last().filter(|_| wanted > end) {
        return Err(MediaError::Short { path: last.path.clone(), missing: wanted - end });
    }
    // A part of a whole bundle may be as long as if its last entry were the end.
    let mut zeros = [0; 2 * HEADER_BYTES];
    read_at(files, position, &mut zeros)?;
    match files.last() {
        _ if zeros.iter().any(|byte| *byte != 0) => Err(damaged(files, position)),
        Some(last) if wanted < end => Err(MediaError::SurplusData { path: last.path.clone(), surplus: end - wanted }),
        _ => Ok(Contents::of(blobs)),
    }
}

/// Which blobs follow the head in a file of which not all may have arrived, and which will have so many bytes. Once all is there, it must end as a
/// delta does.
pub(super) fn arrived(payload: &Payload, files: &[Part], announced_bytes: u64) -> Result<Contents> {
    let there = files.last().map_or(0, |file| file.offset + file.length);
    if there >= announced_bytes {
        return contents(payload, files, &Counters::new());
    }
    // The last bytes of the whole file are no header.
    let headers = there.min(announced_bytes.saturating_sub(END_BYTES));
    Ok(Contents::of(walk(payload, files, headers, &Counters::new())?.0))
}

/// The blobs whose headers are in these files before this offset, and where the last of them ends.
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
        let blob = by_name.get(name).copied().filter(follows).ok_or_else(|| damaged(files, position))?;
        blobs.push(blob);
        position = position.saturating_add(file_bytes(entries[blob].size));
    }
    Ok((blobs, position))
}

fn damaged(files: &[Part], position: u64) -> MediaError {
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

/// Which runs of the stream these files hold, of which each begins where the one before ends. Bytes behind these contents have no place.
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

/// The runs of the whole stream that these contents are, each with its first byte and its length.
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
