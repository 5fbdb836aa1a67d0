//! Files of a chart in memory: from an archive, including archived subcharts, or from a folder.
//!
//! Threats: an archive may come from anyone. It may contain names that lead out of it, links, devices, a member twice,
//! or nested archives. A few kilobytes may unpack to more than any disk holds. Only plain files with plain names are
//! taken, each of a bounded size. The total unpacked size is counted while it is read. In a folder, links are refused,
//! because they may lead to files that the vendor did not mean to ship.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use landfall_error_codes::codes;

use super::ignored::HelmIgnore;
use crate::compression::Compression;
use crate::error::{BuildError, Place, Result};
use crate::paths::is_relative;

/// Limits for a chart.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Members of all archives together, including folders.
    pub members: usize,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Total unpacked bytes; archived subcharts count twice.
    pub unpacked_bytes: u64,
    /// Levels of nested archives.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { members: 10_000, file_bytes: 8 << 20, unpacked_bytes: 128 << 20, depth: 8 }
    }
}

/// Maximum size of a chart's archive, in bytes.
pub const ARCHIVE_BYTES: u64 = 64 << 20;

/// The files of a chart by their paths below its folder. Archived subcharts are unpacked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChartFiles(pub BTreeMap<String, Vec<u8>>);

/// Use of the limits so far, and the name of the chart in messages.
struct ChartUnpacker<'a> {
    name: &'a str,
    limits: Limits,
    members: usize,
    bytes: u64,
}

impl ChartFiles {
    /// Reads an archive; `name` is its name in messages.
    pub fn of_archive(name: &str, archive: &[u8], limits: Limits) -> Result<Self> {
        let mut unpacker = ChartUnpacker::new(name, limits);
        let files = unpacker.archive(name, archive)?;
        let mut files = Self(unpacker.without_top_folder(name, files)?);
        unpacker.subcharts(&mut files)?;
        Ok(files)
    }

    /// Creates a chart with a single file.
    #[cfg(test)]
    pub fn of_one(path: &str, text: &str) -> Self {
        Self([(path.to_owned(), text.as_bytes().to_vec())].into())
    }

    /// Reads a folder, without Git's files and those in its `.helmignore`.
    pub fn of_folder(folder: &Path, limits: Limits) -> Result<Self> {
        let name = folder.display().to_string();
        let mut unpacker = ChartUnpacker::new(&name, limits);
        let mut files = Self::default();
        let ignored = HelmIgnore::of(folder)?;
        unpacker.folder(folder, "", &ignored, &mut files.0)?;
        unpacker.subcharts(&mut files)?;
        Ok(files)
    }

    /// Text of a file; `None` if the file is missing or not UTF-8.
    pub fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(self.0.get(path)?).ok()
    }

    /// Paths of the folders with a chart: the chart's own, which is empty, and those of its subcharts.
    pub fn charts(&self) -> Vec<&str> {
        let files = self.0.keys().filter_map(|path| path.strip_suffix("Chart.yaml"));
        files.filter(|folder| is_chart_folder(folder)).collect()
    }

    /// Writes the files to a temporary folder of a rendering; nothing is synced.
    #[expect(clippy::disallowed_methods, reason = "a temporary folder of the rendering")]
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        for (path, bytes) in &self.0 {
            let path = folder.join(path);
            fs_err::create_dir_all(path.parent().unwrap_or(folder))?;
            fs_err::write(path, bytes)?;
        }
        Ok(())
    }
}

/// Returns true for a folder of a chart: the chart's own, or `charts/NAME/` at any depth.
fn is_chart_folder(folder: &str) -> bool {
    let mut segments = folder.split_terminator('/');
    while let Some(segment) = segments.next() {
        if segment != "charts" || segments.next().is_none() {
            return false;
        }
    }
    true
}

impl<'a> ChartUnpacker<'a> {
    fn new(name: &'a str, limits: Limits) -> Self {
        Self { name, limits, members: 0, bytes: 0 }
    }

    fn refuse(&self, what: impl std::fmt::Display) -> BuildError {
        BuildError::at(codes::CHART_UNREADABLE, Place::file(Path::new(self.name)), what.to_string())
    }

    fn beyond(&self, what: impl std::fmt::Display) -> BuildError {
        BuildError::at(codes::CHART_LIMIT, Place::file(Path::new(self.name)), what.to_string())
    }

    /// Counts a member before it is read.
    fn count_member(&mut self) -> Result<()> {
        self.members += 1;
        if self.members <= self.limits.members {
            return Ok(());
        }
        Err(self.beyond(format_args!("has more than {} files", self.limits.members)))
    }

    /// Reads a file completely and counts the bytes as they arrive, because a declared size cannot be trusted.
    fn read(&mut self, path: &str, source: impl Read) -> Result<Vec<u8>> {
        let left = self.limits.unpacked_bytes - self.bytes;
        let mut bytes = Vec::new();
        let path = path.escape_default();
        source
            .take(self.limits.file_bytes.min(left) + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| self.refuse(format_args!("`{path}` cannot be read")).because(error))?;
        let length = bytes.len() as u64;
        if length > self.limits.file_bytes {
            return Err(self.beyond(format_args!("`{path}` has more than {} bytes", self.limits.file_bytes)));
        }
        if length > left {
            return Err(self.beyond(format_args!("unpacks to more than {} bytes", self.limits.unpacked_bytes)));
        }
        self.bytes += length;
        Ok(bytes)
    }

    fn archive(&mut self, shown: &str, archive: &[u8]) -> Result<BTreeMap<String, Vec<u8>>> {
        let broken = |what: &str| format!("{what}: a chart is a tar archive in gzip");
        if !archive.starts_with(&[0x1f, 0x8b]) {
            return Err(self.refuse(broken(&format!("`{}` is not a chart", shown.escape_default()))));
        }
        // This limit also covers data between the members: a tar reader skips it, but must decompress it first.
        let bound = self.limits.unpacked_bytes + (self.limits.members as u64) * 2048;
        let mut tar = tar::Archive::new(Compression::Gzip.reader(archive).take(bound));
        let mut files = BTreeMap::new();
        let entries = tar.entries().map_err(|error| self.refuse(broken("cannot be unpacked")).because(error))?;
        for entry in entries {
            let entry = entry.map_err(|error| self.refuse(broken("cannot be unpacked")).because(error))?;
            self.count_member()?;
            if let Some((path, bytes)) = self.member(entry)? {
                let shown = path.escape_default().to_string();
                if files.insert(path, bytes).is_some() {
                    return Err(self.refuse(format_args!("has `{shown}` twice")));
                }
            }
        }
        Ok(files)
    }

    /// Reads a member of an archive; `None` for a folder.
    fn member<R: Read>(&mut self, mut entry: tar::Entry<'_, R>) -> Result<Option<(String, Vec<u8>)>> {
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let shown = path.escape_default().to_string();
        let path = path.trim_start_matches("./").trim_end_matches('/').to_owned();
        let is_plain = is_relative(&path) && !path.contains(|letter: char| letter.is_control() || letter == ':');
        match entry.header().entry_type() {
            tar::EntryType::XGlobalHeader => return Ok(None),
            tar::EntryType::Directory if path.is_empty() || path == "." => return Ok(None),
            _ if !is_plain => {
                return Err(self.refuse(format_args!("has a member `{shown}`, whose name leads out of it")));
            }
            tar::EntryType::Directory => return Ok(None),
            tar::EntryType::Regular | tar::EntryType::Continuous => {}
            tar::EntryType::Symlink | tar::EntryType::Link => {
                return Err(self.refuse(format_args!("has a link `{shown}`: charts have plain files")));
            }
            _ => return Err(self.refuse(format_args!("has `{shown}`, which is not a plain file"))),
        }
        let declared = entry.size();
        let bytes = self.read(&path, &mut entry)?;
        if bytes.len() as u64 != declared {
            return Err(self.refuse(format_args!("ends within `{shown}`")));
        }
        Ok(Some((path, bytes)))
    }

    /// Removes the single top-level folder of a chart's archive, which is named after the chart.
    fn without_top_folder(&self, shown: &str, files: BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<String, Vec<u8>>> {
        let top = files.keys().next().and_then(|path| path.split_once('/')).map(|(top, _)| format!("{top}/"));
        let Some(top) = top.filter(|top| files.contains_key(&format!("{top}Chart.yaml"))) else {
            let what =
                format!("`{}` has no Chart.yaml in a folder of its own: it is not a chart", shown.escape_default());
            return Err(self.refuse(what));
        };
        let mut inner = BTreeMap::new();
        for (path, bytes) in files {
            let Some(below) = path.strip_prefix(&top) else {
                let what = format!("has `{}` beside the folder `{top}`", path.escape_default());
                return Err(self.refuse(what));
            };
            inner.insert(below.to_owned(), bytes);
        }
        Ok(inner)
    }

    /// Unpacks archived subcharts in place, recursively.
    fn subcharts(&mut self, files: &mut ChartFiles) -> Result<()> {
        for _ in 0..self.limits.depth {
            let archived: Vec<_> = files.0.keys().filter(|path| is_archived_chart(path)).cloned().collect();
            if archived.is_empty() {
                return Ok(());
            }
            for path in archived {
                let bytes = files.0.remove(&path).unwrap_or_default();
                let unpacked = self.archive(&path, &bytes)?;
                let folder = path.trim_end_matches(".tgz");
                for (below, bytes) in self.without_top_folder(&path, unpacked)? {
                    let inner = format!("{folder}/{below}");
                    if !is_relative(&inner) || files.0.insert(inner.clone(), bytes).is_some() {
                        return Err(self.refuse(format_args!("has `{}` twice", inner.escape_default())));
                    }
                }
            }
        }
        match files.0.keys().find(|path| is_archived_chart(path)) {
            Some(_) => Err(self.beyond(format_args!("has more than {} archives within archives", self.limits.depth))),
            None => Ok(()),
        }
    }

    fn folder(
        &mut self,
        folder: &Path,
        below: &str,
        ignored: &HelmIgnore,
        files: &mut BTreeMap<String, Vec<u8>>,
    ) -> Result<()> {
        let unreadable = |what: &str, error| self.refuse(what).because(error);
        let mut entries: Vec<_> = fs_err::read_dir(folder)
            .and_then(Iterator::collect::<std::io::Result<_>>)
            .map_err(|error| unreadable("its folder cannot be read", error))?;
        entries.sort_by_key(fs_err::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
            let is_left_out = ignored.contains(&path, || entry.path().is_dir());
            if name == ".git" || name == ".DS_Store" || is_left_out {
                continue;
            }
            self.count_member()?;
            let kind =
                entry.file_type().map_err(|error| self.refuse(format!("{path} cannot be read")).because(error))?;
            if !is_relative(&path) {
                return Err(self.refuse(format_args!("`{}` is not a plain name", path.escape_default())));
            } else if kind.is_dir() {
                self.folder(&entry.path(), &path, ignored, files)?;
            } else if kind.is_file() {
                let file = fs_err::File::open(entry.path());
                let file = file.map_err(|error| self.refuse(format!("{path} cannot be read")).because(error))?;
                let bytes = self.read(&path, file)?;
                files.insert(path, bytes);
            } else {
                let what = format!("`{path}` is a link or a special file: copy the intended file");
                return Err(self.refuse(what));
            }
        }
        Ok(())
    }
}

/// Returns true if a path is that of an archived subchart: `charts/NAME.tgz` of a chart.
fn is_archived_chart(path: &str) -> bool {
    let Some((folder, name)) = path.rsplit_once('/') else { return false };
    let chart = folder.strip_suffix("charts").unwrap_or("?");
    Path::new(name).extension().is_some_and(|extension| extension == "tgz")
        && !name.starts_with(['_', '.'])
        && is_chart_folder(chart)
}

#[cfg(test)]
#[path = "files_tests.rs"]
pub(super) mod tests;
