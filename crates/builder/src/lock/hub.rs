//! Artifacts made of files of a repository on a hub: their entry in the lock, and the pins that `landfall lock` writes.

use std::collections::BTreeMap;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Lock;
use super::document::Refuse;
use super::edit::Replacement;
use super::pinned::{self, PinnedFile, WrittenPinned, quote};
use crate::error::{BuildError, Place};
use crate::hub::{Commit, HubName};
use crate::paths::is_relative;
use crate::patterns::Patterns;
use crate::pins::{FilePin, FileSource, Take};

/// The hub repository of an entry.
#[derive(Debug, Clone)]
pub struct HubFields {
    /// Hub, repository and revision.
    pub name: HubName,
    /// Patterns that select the files.
    pub patterns: Patterns,
    /// Digests that a user knows from elsewhere, by path.
    pub digests: BTreeMap<String, Sha256>,
    /// The pins; `None` while unresolved.
    pub pinned: Option<HubPinned>,
    /// Line of the lock with the key `pinned`, counted from 1.
    line: u64,
}

/// Pins that `landfall lock` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubPinned {
    /// Text of the entry at that time; the pins are stale if it has changed since.
    pub resolved: String,
    /// Commit that the revision named.
    pub commit: Commit,
    /// License in the model card.
    pub license: Option<String>,
    /// Selected files.
    pub files: Vec<PinnedFile>,
}

/// The field `hub`, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenHub {
    address: String,
    repository: String,
    revision: String,
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    digests: BTreeMap<String, Sha256>,
    pinned: Spanned<WrittenPinned<PinnedFields>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PinnedFields {
    resolved: String,
    commit: String,
    #[serde(default)]
    license: Option<String>,
    files: Vec<PinnedFile>,
}

/// Checks the written entry; `text` is that of the lock.
pub(super) fn read(written: WrittenHub, text: &str, refuse: Refuse<'_>) -> crate::error::Result<HubFields> {
    let WrittenHub { address, repository, revision, include, exclude, digests, pinned } = written;
    let name = HubName::new(&address, &repository, &revision)
        .map_err(|invalid| refuse(&format!("hub.{}", invalid.field), invalid.what))?;
    let patterns = Patterns::new(&include, &exclude).map_err(|what| refuse("hub.include", what))?;
    let line = pinned::line(text, pinned.referenced.line(), "hub", refuse)?;
    let pinned = match pinned.value {
        WrittenPinned::Unresolved => None,
        WrittenPinned::Known(fields) => Some(read_pinned(fields, &name, refuse)?),
    };
    Ok(HubFields { name, patterns, digests, pinned, line })
}

fn read_pinned(fields: PinnedFields, name: &HubName, refuse: Refuse<'_>) -> crate::error::Result<HubPinned> {
    let commit: Commit = fields.commit.parse().map_err(|error| refuse("hub.pinned", format!("{error}")))?;
    let paths = fields.files.iter().map(|file| file.path.as_str());
    let is_path = |path: &str| is_relative(path) && name.file_url(&commit, path).is_some();
    pinned::check_files("hub", paths, is_path, refuse)?;
    Ok(HubPinned { resolved: fields.resolved, commit, license: fields.license, files: fields.files })
}

impl HubFields {
    /// Text that the pins are resolved from.
    pub fn source(&self) -> String {
        format!("{}{}", self.name, self.patterns)
    }

    /// Returns true if the pins were resolved from the current entry and include the digests that a user wrote.
    pub fn is_confirmed(&self) -> bool {
        let is_confirmed =
            |pinned: &HubPinned| pinned.resolved == self.source() && self.must_have(&pinned.files).is_ok();
        self.pinned.as_ref().is_some_and(is_confirmed)
    }

    /// Returns an error unless the files include the digests that a user wrote.
    pub(crate) fn must_have(&self, files: &[PinnedFile]) -> crate::error::Result<()> {
        for (path, wanted) in &self.digests {
            let Some(file) = files.iter().find(|file| file.path == *path) else {
                let what =
                    format!("`digests` names `{}`, which is no file that the entry takes", path.escape_default());
                return Err(BuildError::new(codes::FILE_MISSING, what));
            };
            if file.digest != *wanted {
                let what = format!("`{path}` of {} is {} where the lock says {wanted}", self.name, file.digest);
                return Err(BuildError::new(codes::FETCH_MISMATCH, what));
            }
        }
        Ok(())
    }

    /// Line in the lock, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Pins of the files, in the form that is fetched.
    pub(super) fn pins(&self, lock: &Lock, entry: &str) -> Option<Vec<FilePin>> {
        let pinned = self.pinned.as_ref()?;
        let pin = |(number, file): (usize, &PinnedFile)| {
            let field = format!("{entry}.hub.pinned.files[{number}]");
            Some(FilePin {
                source: FileSource::Url(self.name.file_url(&pinned.commit, &file.path)?),
                digest: file.digest,
                size: file.size,
                take: Take::Whole(file.path.clone()),
                commit: Some(pinned.commit.clone()),
                place: Place::field(&lock.path, self.line, field),
            })
        };
        pinned.files.iter().enumerate().map(pin).collect()
    }

    /// Replacement for the lines below the key `pinned`; `None` if that key is no longer at its line.
    pub(crate) fn replacement(&self, lock: &Lock, found: &HubPinned) -> Option<Replacement> {
        pinned::replacement(lock, self.line, &lines(found))
    }
}

/// Lines below the key `pinned`.
fn lines(found: &HubPinned) -> Vec<String> {
    let mut lines = vec![format!("resolved: {}", quote(&found.resolved)), format!("commit: '{}'", found.commit)];
    lines.extend(found.license.iter().map(|license| format!("license: {}", quote(license))));
    lines.push("files:".to_owned());
    lines.extend(found.files.iter().map(PinnedFile::line));
    lines
}
