//! Artifacts made of files in a local folder: their entry in the lock, and the pins that `landfall lock` writes.

use std::path::PathBuf;

use landfall_models::ollama::OllamaName;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Lock;
use super::document::Refuse;
use super::edit::Replacement;
use super::pinned::{self, PinnedFile, WrittenPinned, quote};
use crate::error::{Place, Result};
use crate::paths::is_relative;
use crate::patterns::Patterns;
use crate::pins::{FilePin, FileSource, Take};

/// Field of an entry.
pub(super) const FIELD: &str = "folder";

/// The folder of an entry.
#[derive(Debug, Clone)]
pub struct FolderFields {
    /// Path of the folder as written, relative to the lock's folder.
    pub path: PathBuf,
    /// Patterns that select the files.
    pub patterns: Patterns,
    /// Ollama models to take instead, if the folder is an Ollama store.
    pub ollama: Vec<OllamaName>,
    /// The pins; `None` while unresolved.
    pub pinned: Option<FolderPinned>,
    /// Line of the lock with the key `pinned`, counted from 1.
    line: u64,
}

/// Pins that `landfall lock` found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderPinned {
    /// Text of the entry at that time; the pins are stale if it has changed since.
    pub resolved: String,
    /// Names of the licenses of the Ollama models.
    #[serde(default)]
    pub license: Option<String>,
    /// Selected files.
    pub files: Vec<PinnedFile>,
}

/// The field `folder`, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenFolder {
    path: PathBuf,
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    ollama: Vec<String>,
    pinned: Spanned<WrittenPinned<FolderPinned>>,
}

/// Checks the written entry; `text` is that of the lock.
pub(super) fn read(written: WrittenFolder, text: &str, refuse: Refuse<'_>) -> Result<FolderFields> {
    let WrittenFolder { path, include, exclude, ollama, pinned } = written;
    if path.as_os_str().is_empty() {
        return Err(refuse(&format!("{FIELD}.path"), "names no folder".to_owned()));
    }
    let patterns = Patterns::new(&include, &exclude).map_err(|what| refuse(&format!("{FIELD}.include"), what))?;
    let has_patterns = !include.is_empty() || !exclude.is_empty();
    if has_patterns && !ollama.is_empty() {
        let what = "names models of Ollama, and patterns of files: a model is taken whole";
        return Err(refuse(&format!("{FIELD}.ollama"), what.to_owned()));
    }
    let ollama = ollama.iter().map(|name| name.parse());
    let ollama = ollama.collect::<Result<Vec<OllamaName>, _>>();
    let ollama = ollama.map_err(|error| refuse(&format!("{FIELD}.ollama"), error.to_string()))?;
    let line = pinned::line(text, pinned.referenced.line(), FIELD, refuse)?;
    let pinned = match pinned.value {
        WrittenPinned::Unresolved => None,
        WrittenPinned::Known(known) => {
            let paths = known.files.iter().map(|file| file.path.as_str());
            pinned::check_files(FIELD, paths, is_relative, refuse)?;
            Some(known)
        }
    };
    Ok(FolderFields { path, patterns, ollama, pinned, line })
}

impl FolderFields {
    /// Text that the pins are resolved from.
    pub fn source(&self) -> String {
        let models: Vec<_> = self.ollama.iter().map(|name| format!(" ollama {name}")).collect();
        format!("{}{}{}", self.path.display(), self.patterns, models.concat())
    }

    /// Returns true if the pins were resolved from the current entry.
    pub fn is_confirmed(&self) -> bool {
        self.pinned.as_ref().is_some_and(|pinned| pinned.resolved == self.source())
    }

    /// Line in the lock, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Pins of the files, in the form that is read.
    pub(super) fn pins(&self, lock: &Lock, entry: &str) -> Option<Vec<FilePin>> {
        let folder = lock.resolve_path(&self.path);
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

    /// Replacement for the lines below the key `pinned`; `None` if that key is no longer at its line.
    pub(crate) fn replacement(&self, lock: &Lock, found: &FolderPinned) -> Option<Replacement> {
        pinned::replacement(lock, self.line, &lines(found))
    }
}

/// Lines below the key `pinned`.
fn lines(found: &FolderPinned) -> Vec<String> {
    let mut lines = vec![format!("resolved: {}", quote(&found.resolved))];
    lines.extend(found.license.iter().map(|license| format!("license: {}", quote(license))));
    lines.push("files:".to_owned());
    lines.extend(found.files.iter().map(PinnedFile::line));
    lines
}
