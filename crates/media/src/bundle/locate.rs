//! Search for a bundle: from the path that a user gives (a file, a part, a folder, or the head) to the bundle's head
//! and the files that may be parts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::limits::LANDFALL_DOCUMENT_BYTES;
use landfall_bundle_spec::parts::{BundleName, FileKind};

use super::open_regular;
use crate::counters::{Counters, CountingReader};
use crate::error::{MediaError, PathContext, Result};
use crate::partial::is_partial;

/// Bytes of the first header. Together with the `landfall.json` after it, it identifies a bundle.
const HEADER_BYTES: u64 = 512;

/// A bundle that was found but not verified.
#[derive(Debug, Clone)]
pub struct UnverifiedBundle {
    /// File from which the head is read.
    head: PathBuf,
    /// Files that begin with this bundle's `landfall.json`, longest first.
    pub(super) firsts: Vec<PathBuf>,
    /// Every regular file of the folder: those named after this bundle first, then the others, in order.
    pub(super) candidates: Vec<PathBuf>,
    pub(super) folder: PathBuf,
    /// Counters of the search and of reading the head.
    counters: Counters,
}

impl UnverifiedBundle {
    /// The result for a file that should begin a bundle but does not.
    fn unreadable(path: &Path, folder: &Path, counters: &Counters) -> Self {
        let (head, firsts) = (path.to_owned(), vec![path.to_owned()]);
        Self { head, candidates: firsts.clone(), firsts, folder: folder.to_owned(), counters: counters.clone() }
    }

    /// Path of the file from which the head is read.
    pub fn head_path(&self) -> &Path {
        &self.head
    }

    /// The folder that holds the parts.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads a small file next to the bundle, without checking its contents. Reads at most `limit_bytes` plus one, so
    /// that the caller notices a longer file. Returns `None` if there is no such file; a link is not followed.
    pub fn read_beside(&self, name: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>> {
        let path = self.folder.join(name);
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found.at("look at", &path)?,
        };
        let (file, _) = open_regular(&path)?;
        let mut bytes = Vec::new();
        let mut file = CountingReader::new(file, self.counters.clone()).take(limit_bytes.saturating_add(1));
        file.read_to_end(&mut bytes).at("read", &path)?;
        Ok(Some(bytes))
    }

    /// Opens the stream at this byte, in the bundle's single file or its first part. The bytes are not checked.
    pub fn stream_at(&self, offset: u64) -> Result<impl Read> {
        let path = self.firsts.first().unwrap_or(&self.head);
        let (mut file, _) = open_regular(path)?;
        file.seek(io::SeekFrom::Start(offset)).at("seek in", path)?;
        Ok(CountingReader::new(file, self.counters.clone()))
    }

    /// Opens the stream at its first byte. Only the head may be read from it.
    pub fn head(&self) -> Result<io::BufReader<CountingReader<File>>> {
        let file = CountingReader::new(open_regular(&self.head)?.0, self.counters.clone());
        Ok(io::BufReader::with_capacity(64 * 1024, file))
    }
}

/// Finds a bundle by its single file, one of its parts, its `.head`, or the folder that holds it. Foreign files and
/// non-regular files next to it are ignored. Only the path itself may be a symbolic link, because a user named it.
pub fn locate(path: &Path) -> Result<UnverifiedBundle> {
    locate_counted(path, &Counters::new())
}

/// Like [`locate`], but `counters` counts the bytes that the search, and later the head's reader, read from the media.
pub fn locate_counted(path: &Path, counters: &Counters) -> Result<UnverifiedBundle> {
    let metadata = match std::fs::metadata(path) {
        // A wrong path is the user's mistake; any other error may be the media's fault.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(MediaError::NotThere(path.to_owned())),
        metadata => metadata.at("open", path)?,
    };
    if metadata.is_dir() {
        return in_folder(path, None, counters);
    }
    if !metadata.is_file() {
        return Err(MediaError::BundleNotFound(path.to_owned()));
    }
    let path = &if path.is_symlink() { path.canonicalize().at("open", path)? } else { path.to_owned() };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if let Some(digest) = opening_digest(path, counters)? {
        let mut located = in_folder(folder, Some(digest), counters)?;
        path.clone_into(&mut located.head);
        return Ok(located);
    }
    // A later part: its first part differs from it only in the number.
    if let Some((stem, FileKind::Part(2..) | FileKind::DeltaPart(2..))) = parse_name(path) {
        for file in files(folder)? {
            if self::stem(&file).as_ref() == Some(&stem)
                && let Some(digest) = opening_digest(&file, counters)?
            {
                return in_folder(folder, Some(digest), counters);
            }
        }
        let is_delta = matches!(parse_name(path), Some((_, FileKind::DeltaPart(_))));
        let name = stem.file(if is_delta { FileKind::DeltaPart(1) } else { FileKind::Part(1) });
        return Err(MediaError::PartMissing { folder: folder.to_owned(), name, offset: 0 });
    }
    // The reader of the head reports the defect.
    Ok(UnverifiedBundle::unreadable(path, folder, counters))
}

fn in_folder(folder: &Path, wanted: Option<Sha256>, counters: &Counters) -> Result<UnverifiedBundle> {
    let all = files(folder)?;
    let mut bundles: BTreeMap<Sha256, Vec<PathBuf>> = BTreeMap::new();
    for file in &all {
        // An unreadable file does not concern this bundle unless a part turns out to be missing.
        if let Ok(Some(found)) = opening_digest(file, counters)
            && wanted.is_none_or(|wanted| wanted == found)
        {
            bundles.entry(found).or_default().push(file.clone());
        }
    }
    let longest = |files: &[PathBuf]| files.iter().map(|file| length(file)).max().unwrap_or(0);
    let mut bundles: Vec<_> = bundles.into_values().collect();
    bundles.sort_by_key(|files| std::cmp::Reverse(longest(files)));
    // Files of one name with different beginnings are one damaged bundle; the longest is its single file or first part.
    let mut names: Vec<_> = bundles.iter().filter_map(|files| files.first()).collect();
    names.dedup_by_key(|file| stem(file).map_or_else(|| name(file), |stem| stem.stem().to_owned()));
    if names.len() > 1 {
        let names = names.into_iter().map(|file| name(file)).collect();
        return Err(MediaError::SeveralBundles { folder: folder.to_owned(), names });
    }
    let Some(mut firsts) = bundles.into_iter().next() else { return without_beginning(folder, &all, counters) };
    firsts.sort_by_key(|file| std::cmp::Reverse(length(file)));
    let stems: Vec<_> = firsts.iter().filter_map(|file| stem(file)).collect();
    let mut candidates = all;
    candidates.sort_by_key(|file| (stem(file).is_none_or(|stem| !stems.contains(&stem)), file.clone()));
    Ok(UnverifiedBundle {
        head: firsts[0].clone(),
        firsts,
        candidates,
        folder: folder.to_owned(),
        counters: counters.clone(),
    })
}

/// Handles a folder in which no file begins like a bundle: looks for a bundle by file name.
fn without_beginning(folder: &Path, files: &[PathBuf], counters: &Counters) -> Result<UnverifiedBundle> {
    let named = |wanted: fn(&FileKind) -> bool| {
        files.iter().find(|file| parse_name(file).is_some_and(|(_, kind)| wanted(&kind)))
    };
    let begins = |kind: &FileKind| {
        matches!(kind, FileKind::Whole | FileKind::Part(1) | FileKind::Delta | FileKind::DeltaPart(1))
    };
    if let Some(first) = named(begins).or_else(|| named(|kind| *kind == FileKind::Head)) {
        return Ok(UnverifiedBundle::unreadable(first, folder, counters));
    }
    match named(|_| true).and_then(|file| stem(file)) {
        Some(stem) => {
            let name = stem.file(FileKind::Part(1));
            Err(MediaError::PartMissing { folder: folder.to_owned(), name, offset: 0 })
        }
        None => Err(MediaError::BundleNotFound(folder.to_owned())),
    }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn parse_name(path: &Path) -> Option<(BundleName, FileKind)> {
    BundleName::parse(path.file_name()?.to_str()?)
}

/// Returns the regular files of a folder, sorted by name. Links are skipped: on a stick they may lead anywhere.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).at("list", folder)? {
        let entry = entry.at("list", folder)?;
        let path = entry.path();
        if entry.file_type().at("look at", &path)?.is_file() && !is_partial(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the digest of the bytes that identify a bundle, or `None` for a file that does not begin like one. The
/// digest serves only to group files; it is not trusted. For a file that is not a bundle, only the first block is read.
fn opening_digest(path: &Path, counters: &Counters) -> Result<Option<Sha256>> {
    let mut bytes = Vec::new();
    let (file, _) = open_regular(path)?;
    let mut file = CountingReader::new(file, counters.clone());
    file.by_ref().take(HEADER_BYTES).read_to_end(&mut bytes).at("read", path)?;
    let begins = bytes.len() as u64 == HEADER_BYTES
        && bytes.starts_with(b"landfall.json\0")
        && bytes[257..].starts_with(b"ustar");
    if !begins {
        return Ok(None);
    }
    let digits = std::str::from_utf8(&bytes[124..135]).unwrap_or_default();
    let size = u64::from_str_radix(digits, 8).unwrap_or(u64::MAX).min(LANDFALL_DOCUMENT_BYTES);
    file.take(size).read_to_end(&mut bytes).at("read", path)?;
    Ok(Some(Sha256::of(&bytes)))
}

fn stem(path: &Path) -> Option<BundleName> {
    parse_name(path).map(|(stem, _)| stem)
}

pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
