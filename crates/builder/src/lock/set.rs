//! Artifacts that are package sets: their entry in the lock, the file that names the packages, and the pins that
//! `landfall lock` writes.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfall_bundle_spec::{Sha256, limits};
use landfall_error_codes::{Code, codes};
use landfall_packages::WheelName;
use landfall_packages::npm::TARBALL_ENDING;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Lock;
use super::document::Refuse;
use super::edit::Replacement;
use super::pinned::{self, WrittenPinned, quote};
use super::wheel_source::WheelSource;
use crate::error::{BuildError, Place, Result};
use crate::file_url::FileUrl;
use crate::npm::{OmittedGroup, Registry};
use crate::paths::is_plain_path;
use crate::pins::{FilePin, FileSource, Take};
use crate::wheels::{self, Form};

/// Pages or tarballs of one set that are requested in parallel.
pub(crate) const PARALLEL: usize = 8;

/// Maximum size of a file that names packages, in bytes.
const FILE_BYTES: u64 = 64 << 20;

/// The package set of an entry.
#[derive(Debug, Clone)]
pub struct SetFields {
    /// Kind of the set.
    pub kind: SetKind,
    /// The file that names its packages.
    pub file: SetFile,
    /// The pins; `None` while unresolved.
    pub pinned: Option<SetPinned>,
    /// Line of the lock with the key `pinned`, counted from 1.
    line: u64,
}

/// Kind of a package set, with its publisher and its selection of packages.
#[derive(Debug, Clone)]
pub enum SetKind {
    /// Wheels for a target.
    Wheels(Box<WheelSource>),
    /// Tarballs of npm packages.
    Npm {
        /// Registry that is contacted in place of those that the file names.
        registry: Option<Registry>,
        /// Groups of dependencies that are left out.
        omit: Vec<OmittedGroup>,
    },
}

/// The file that names the packages of a set, as it was when the lock was read.
#[derive(Debug, Clone)]
pub struct SetFile {
    /// Path as written in the lock.
    pub written: String,
    /// Path relative to the working folder.
    pub path: PathBuf,
    /// Bytes and digest, or the reason why it could not be read.
    content: std::result::Result<(Arc<[u8]>, Sha256), String>,
}

/// Pins that `landfall lock` found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPinned {
    /// Text of the entry at that time; the pins are stale if it has changed since.
    pub resolved: String,
    /// SHA-256 of the file that names the packages; the pins are stale if the file has another digest now.
    pub digest: Sha256,
    /// The packages.
    pub files: Vec<SetPackage>,
}

/// A pinned package: a wheel or an npm tarball.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPackage {
    /// Path within the artifact.
    pub path: String,
    /// URL at the publisher.
    pub url: String,
    /// SHA-256 of the package.
    pub digest: Sha256,
    /// Size in bytes.
    pub size: u64,
}

/// The field `npm`, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenNpm {
    lockfile: String,
    #[serde(default)]
    registry: Option<String>,
    #[serde(default)]
    omit: Vec<OmittedGroup>,
    pinned: Spanned<WrittenPinned<SetPinned>>,
}

/// Context of a set: path and text of the lock, and the platform of its images.
#[derive(Clone, Copy)]
pub(super) struct SetContext<'a> {
    pub(super) lock: &'a Path,
    pub(super) text: &'a str,
    pub(super) platform: &'a str,
}

/// Checks the written entry of a set of npm packages.
pub(super) fn read_npm(written: WrittenNpm, within: SetContext<'_>, refuse: Refuse<'_>) -> Result<SetFields> {
    let WrittenNpm { lockfile, registry, mut omit, pinned } = written;
    let registry = registry.map(|text| Registry::new(&text)).transpose();
    let registry = registry.map_err(|error| refuse("npm.registry", format!("{error}")))?;
    omit.sort_unstable();
    omit.dedup();
    let file = SetFile::read(within.lock, lockfile, &|what| refuse("npm.lockfile", what))?;
    fields(SetKind::Npm { registry, omit }, file, pinned, within, refuse)
}

pub(super) fn fields(
    kind: SetKind,
    file: SetFile,
    pinned: Spanned<WrittenPinned<SetPinned>>,
    within: SetContext<'_>,
    refuse: Refuse<'_>,
) -> Result<SetFields> {
    let line = pinned::line(within.text, pinned.referenced.line(), kind.field(), refuse)?;
    let pinned = match pinned.value {
        WrittenPinned::Unresolved => None,
        WrittenPinned::Known(found) => Some(found),
    };
    if let Some(found) = &pinned {
        let refuse = |what: String| refuse(&format!("{}.pinned", kind.field()), what);
        check(found, kind.file_name(&file), &refuse)?;
    }
    Ok(SetFields { kind, file, pinned, line })
}

/// Returns an error for pins that `landfall lock` would not write.
fn check(found: &SetPinned, file_name: &str, refuse: &dyn Fn(String) -> BuildError) -> Result<()> {
    if found.files.is_empty() {
        return Err(refuse("a set has at least one package".to_owned()));
    }
    let mut paths = HashSet::from([file_name]);
    for SetPackage { path, url, size, .. } in &found.files {
        let shown = path.escape_default();
        if !is_plain_path(path) {
            return Err(refuse(format!("`{shown}` is not a relative path")));
        }
        if !paths.insert(path) {
            return Err(refuse(format!("`{shown}` occurs twice")));
        }
        let _: FileUrl = url.parse().map_err(|error| refuse(format!("{error}")))?;
        if *size > limits::BLOB_BYTES {
            return Err(refuse(format!("`{shown}` cannot have {size} bytes")));
        }
    }
    Ok(())
}

impl SetKind {
    /// Field of the lock.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Wheels(_) => "wheels",
            Self::Npm { .. } => "npm",
        }
    }

    /// Returns true if a requirements file goes into the bundle in place of the named file. The URLs in a project lock
    /// are useless at a site.
    fn is_exported(&self) -> bool {
        matches!(self, Self::Wheels(source) if matches!(source.form, Form::Project(_)))
    }

    /// Name of the file that goes into the bundle with the packages.
    fn file_name<'a>(&self, file: &'a SetFile) -> &'a str {
        if self.is_exported() { wheels::EXPORT_NAME } else { file.name() }
    }

    /// Error code of an unusable file.
    fn unreadable(&self) -> Code {
        match self {
            Self::Wheels(source) => source.unreadable(),
            Self::Npm { .. } => codes::PACKAGE_LOCK_UNREADABLE,
        }
    }
}

impl SetFile {
    /// Reads the file next to a lock. A read error is kept and returned only if the content is needed.
    pub(super) fn read(lock: &Path, written: String, refuse: &dyn Fn(String) -> BuildError) -> Result<Self> {
        let path = lock.parent().unwrap_or(Path::new("")).join(&written);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_package = [WheelName::ENDING, TARBALL_ENDING].iter().any(|ending| name.ends_with(ending));
        if !is_plain_path(name) || is_package {
            return Err(refuse(format!("`{}` is not the path of a file beside the lock", written.escape_default())));
        }
        let content = content(&path).map(|bytes| (Arc::from(bytes.as_slice()), Sha256::of(&bytes)));
        Ok(Self { written, path, content })
    }

    /// File name without folders, under which it goes into the bundle.
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }
}

/// Content of a file, or the reason why it cannot be read.
fn content(path: &Path) -> std::result::Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES {
        return Err(format!("is not a file of at most {FILE_BYTES} bytes"));
    }
    std::fs::read(path).map_err(cannot)
}

impl fmt::Display for SetFields {
    /// Writes the text that the pins are resolved from, without the content of the file.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            SetKind::Wheels(source) => {
                formatter.write_str(&self.file.written)?;
                if let Some(index) = &source.index {
                    write!(formatter, " of {index}")?;
                }
                write!(formatter, ", {}{}", source.target, source.selection)
            }
            SetKind::Npm { registry, omit } => {
                formatter.write_str(&self.file.written)?;
                if let Some(registry) = registry {
                    write!(formatter, " from {registry}")?;
                }
                let omitted: Vec<_> = omit.iter().map(ToString::to_string).collect();
                if omitted.is_empty() { Ok(()) } else { write!(formatter, " without {}", omitted.join(", ")) }
            }
        }
    }
}

impl SetFields {
    /// Bytes and digest of the file.
    pub(crate) fn content(&self) -> Result<(&Arc<[u8]>, Sha256)> {
        match &self.file.content {
            Ok((bytes, digest)) => Ok((bytes, *digest)),
            Err(what) => Err(BuildError::at(self.kind.unreadable(), Place::file(&self.file.path), what.clone())),
        }
    }

    /// Reason why the pins are stale; `None` if they are valid.
    pub(crate) fn stale(&self) -> Option<String> {
        let Some(pinned) = &self.pinned else { return Some("not resolved yet".to_owned()) };
        if pinned.resolved != self.to_string() {
            return Some(format!("resolved from {}", pinned.resolved));
        }
        match &self.file.content {
            Ok((_, digest)) if *digest == pinned.digest => None,
            Ok(_) => Some(format!("{} has changed since it was resolved", self.file.written)),
            Err(what) => Some(format!("{} {what}", self.file.path.display())),
        }
    }

    /// Returns true if the pins match the current entry and file.
    pub fn is_confirmed(&self) -> bool {
        self.stale().is_none()
    }

    /// Line in the lock, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Pins of the file and the packages, in the form that is fetched.
    pub(super) fn pins(&self, lock: &Lock, entry: &str) -> Option<Vec<FilePin>> {
        let pinned = self.pinned.as_ref()?;
        let (bytes, digest) = self.file.content.as_ref().ok()?;
        let field = format!("{entry}.{}.pinned", self.kind.field());
        let pin = |source, digest, size, path: &str, field: String| {
            let place = Place::field(&lock.path, self.line, field);
            FilePin { source, digest, size, take: Take::Whole(path.to_owned()), commit: None, place }
        };
        let (bytes, digest) = if self.kind.is_exported() {
            let text = wheels::export_text(pinned.files.iter().map(|file| (file.path.as_str(), file.digest)));
            (Arc::from(text.as_bytes()), Sha256::of(&text))
        } else {
            (Arc::clone(bytes), *digest)
        };
        let (size, name) = (bytes.len() as u64, self.kind.file_name(&self.file));
        let mut pins = vec![pin(FileSource::Beside(bytes), digest, size, name, field.clone())];
        for (number, package) in pinned.files.iter().enumerate() {
            let source = FileSource::Url(package.url.parse().ok()?);
            let field = format!("{field}.files[{number}]");
            pins.push(pin(source, package.digest, package.size, &package.path, field));
        }
        Some(pins)
    }

    /// Replacement for the lines below the key `pinned`; `None` if that key is no longer at its line.
    pub(crate) fn replacement(&self, lock: &Lock, found: &SetPinned) -> Option<Replacement> {
        let mut lines = vec![
            format!("resolved: {}", quote(&found.resolved)),
            format!("digest: '{}'", found.digest),
            "files:".to_owned(),
        ];
        lines.extend(found.files.iter().map(|SetPackage { path, url, digest, size }| {
            format!("  - {{path: {}, url: {}, digest: '{digest}', size: {size}}}", quote(path), quote(url))
        }));
        pinned::replacement(lock, self.line, &lines)
    }
}
