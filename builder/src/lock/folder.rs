//! Artifacts that are files of a folder of this machine: what a person writes of one, and what `landfall lock` writes below it.

use std::path::PathBuf;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::document::Refuse;
use super::edit::Replacement;
use super::pinned::{self, PinnedFile, WrittenPinned, quoted};
use super::{FilePin, FileSource, Lock, Take};
use crate::error::{Place, Result};
use crate::files::is_relative;
use crate::patterns::Patterns;

/// The field of an entry.
pub(super) const FIELD: &str = "folder";

/// An entry's folder.
#[derive(Debug, Clone)]
pub struct FolderFields {
    /// The folder as it is written, relative to that of the lock.
    pub path: PathBuf,
    /// Which files are taken.
    pub patterns: Patterns,
    /// What is pinned; none while it is unresolved.
    pub pinned: Option<FolderPinned>,
    /// Line of the lock with the key `pinned`, counted from 1.
    line: u64,
}

/// What `landfall lock` found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderPinned {
    /// What it was resolved from: another text since then makes it stale.
    pub resolved: String,
    /// The files that are taken.
    pub files: Vec<PinnedFile>,
}

/// `folder` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenFolder {
    path: PathBuf,
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    pinned: Spanned<WrittenPinned<FolderPinned>>,
}

/// Checks what is written of a folder; `text` is that of the lock.
pub(super) fn read(written: WrittenFolder, text: &str, refuse: Refuse<'_>) -> Result<FolderFields> {
    let WrittenFolder { path, include, exclude, pinned } = written;
    if path.as_os_str().is_empty() {
        return Err(refuse(&format!("{FIELD}.path"), "names no folder".to_owned()));
    }
    let patterns = Patterns::new(&include, &exclude).map_err(|what| refuse(&format!("{FIELD}.include"), what))?;
    let line = pinned::line(text, pinned.referenced.line(), FIELD, refuse)?;
    let pinned = match pinned.value {
        WrittenPinned::Unresolved => None,
        WrittenPinned::Known(known) => {
            let paths = known.files.iter().map(|file| file.path.as_str());
            pinned::check_files(FIELD, paths, is_relative, refuse)?;
            Some(known)
        }
    };
    Ok(FolderFields { path, patterns, pinned, line })
}

impl FolderFields {
    /// What the pins are resolved from.
    pub fn source(&self) -> String {
        format!("{}{}", self.path.display(), self.patterns)
    }

    /// Whether the pins were resolved from what the entry names now.
    pub fn is_confirmed(&self) -> bool {
        self.pinned.as_ref().is_some_and(|pinned| pinned.resolved == self.source())
    }

    /// Line of the lock, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The pinned files, as they are read.
    pub(super) fn pins(&self, lock: &Lock, entry: &str) -> Option<Vec<FilePin>> {
        let folder = lock.beside(&self.path);
        let pin = |(number, file): (usize, &PinnedFile)| FilePin {
            source: FileSource::Local(folder.join(&file.path)),
            digest: file.digest,
            size: file.size,
            take: Take::Whole(file.path.clone()),
            commit: None,
            place: Place::field(&lock.path, self.line, format!("{entry}.{FIELD}.pinned.files[{number}]")),
        };
        Some(self.pinned.as_ref()?.files.iter().enumerate().map(pin).collect())
    }

    /// Writes what was found below the key, in place of what is there; none where the key is not where it was.
    pub(super) fn replacement(&self, lock: &Lock, found: &FolderPinned) -> Option<Replacement> {
        pinned::replacement(lock, self.line, &lines(found))
    }
}

/// The lines below `pinned`.
fn lines(found: &FolderPinned) -> Vec<String> {
    let head = [format!("resolved: {}", quoted(&found.resolved)), "files:".to_owned()];
    head.into_iter().chain(found.files.iter().map(PinnedFile::line)).collect()
}
