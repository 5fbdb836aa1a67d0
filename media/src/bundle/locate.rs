//! From what a person names (a file, one part, a folder, the head) to the bundle's head and the files that may be parts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use landfall_bundle_spec::parts::BundleName;

use crate::error::{At, MediaError, Result};
use crate::parts::is_partial;

/// Bytes that tell bundles apart: the first header and the whole `landfall.json`.
const FINGERPRINT_BYTES: u64 = 512 + 64 * 1024;

/// A bundle that was found but not verified.
#[derive(Debug, Clone)]
pub struct Located {
    /// Where the head is read from.
    head: PathBuf,
    /// Files that begin with this bundle's `landfall.json`, longest first.
    pub(super) firsts: Vec<PathBuf>,
    /// Every regular file of the folder, names of this bundle first, in order.
    pub(super) candidates: Vec<PathBuf>,
    pub(super) folder: PathBuf,
}

impl Located {
    /// The file that the head is read from.
    pub fn head_path(&self) -> &Path {
        &self.head
    }

    /// The folder that holds the parts.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Opens the stream at its first byte; the head may be read from it, no more.
    pub fn head(&self) -> Result<io::BufReader<File>> {
        Ok(io::BufReader::with_capacity(64 * 1024, File::open(&self.head).at("open", &self.head)?))
    }
}

/// Finds a bundle by its one file, one of its parts, its `.head`, or the folder that holds it. Foreign files beside it
/// are ignored.
pub fn locate(path: &Path) -> Result<Located> {
    let metadata = std::fs::metadata(path).at("open", path)?;
    if metadata.is_dir() {
        return in_folder(path, None);
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if let Some(fingerprint) = fingerprint(path)? {
        let mut located = in_folder(folder, Some(&fingerprint))?;
        path.clone_into(&mut located.head);
        return Ok(located);
    }
    // A later part: its first part has the same name but for the number, or is the only bundle of the folder.
    let stem = stem(path).ok_or_else(|| MediaError::BundleNotFound(path.to_owned()))?;
    for file in files(folder)? {
        if self::stem(&file).as_ref() == Some(&stem)
            && let Some(fingerprint) = fingerprint(&file)?
        {
            return in_folder(folder, Some(&fingerprint));
        }
    }
    Err(MediaError::BundleNotFound(path.to_owned()))
}

fn in_folder(folder: &Path, wanted: Option<&[u8]>) -> Result<Located> {
    let all = files(folder)?;
    let mut bundles: BTreeMap<Vec<u8>, Vec<PathBuf>> = BTreeMap::new();
    for file in &all {
        // A file that cannot be read is not this bundle's problem unless a part is missing in the end.
        if let Ok(Some(found)) = fingerprint(file)
            && wanted.is_none_or(|wanted| wanted == found)
        {
            bundles.entry(found).or_default().push(file.clone());
        }
    }
    if bundles.len() > 1 {
        let names = bundles.values().filter_map(|files| files.first()).map(|file| name(file)).collect();
        return Err(MediaError::SeveralBundles { folder: folder.to_owned(), names });
    }
    let mut firsts = bundles.into_values().next().ok_or_else(|| MediaError::BundleNotFound(folder.to_owned()))?;
    firsts.sort_by_key(|file| std::cmp::Reverse(std::fs::metadata(file).map_or(0, |metadata| metadata.len())));
    let stems: Vec<_> = firsts.iter().filter_map(|file| stem(file)).collect();
    let mut candidates = all;
    candidates.sort_by_key(|file| (stem(file).is_none_or(|stem| !stems.contains(&stem)), file.clone()));
    Ok(Located { head: firsts[0].clone(), firsts, candidates, folder: folder.to_owned() })
}

/// Regular files of a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).at("list", folder)? {
        let path = entry.at("list", folder)?.path();
        if path.is_file() && !is_partial(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The bytes that tell bundles apart, or `None` for a file that does not begin as one. Not trusted for anything else.
fn fingerprint(path: &Path) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let file = File::open(path).at("open", path)?;
    file.take(FINGERPRINT_BYTES).read_to_end(&mut bytes).at("read", path)?;
    let begins = bytes.len() > 512 && bytes.starts_with(b"landfall.json\0") && bytes[257..].starts_with(b"ustar");
    if !begins {
        return Ok(None);
    }
    let digits = std::str::from_utf8(&bytes[124..135]).unwrap_or_default();
    let size = usize::from_str_radix(digits, 8).unwrap_or(usize::MAX);
    bytes.truncate(size.saturating_add(512));
    Ok(Some(bytes))
}

fn stem(path: &Path) -> Option<BundleName> {
    BundleName::parse(path.file_name()?.to_str()?).map(|(stem, _)| stem)
}

pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
