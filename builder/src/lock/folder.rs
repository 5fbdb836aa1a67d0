//! Artifacts that are files of a folder of this machine: what a person writes of one, and what `landfall lock` writes below it.

use std::path::PathBuf;

use landfall_models::ollama::OllamaName;
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
    /// Models of Ollama that are taken instead, where the folder is a store of Ollama.
    pub ollama: Vec<OllamaName>,
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
    /// What the licenses of Ollama's models call themselves.
    #[serde(default)]
    pub license: Option<String>,
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
    #[serde(default)]
    ollama: Vec<String>,
    pinned: Spanned<WrittenPinned<FolderPinned>>,
}

/// Checks what is written of a folder; `text` is that of the lock.
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
    /// What the pins are resolved from.
    pub fn source(&self) -> String {
        let models: Vec<_> = self.ollama.iter().map(|name| format!(" ollama {name}")).collect();
        format!("{}{}{}", self.path.display(), self.patterns, models.concat())
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
    let mut lines = vec![format!("resolved: {}", quoted(&found.resolved))];
    lines.extend(found.license.iter().map(|license| format!("license: {}", quoted(license))));
    lines.push("files:".to_owned());
    lines.extend(found.files.iter().map(PinnedFile::line));
    lines
}
