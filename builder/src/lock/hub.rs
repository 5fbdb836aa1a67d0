//! Artifacts that are files of a repository on a hub: what a person writes of one, and what `landfall lock` writes below it.

use std::collections::BTreeMap;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::document::Refuse;
use super::edit::Replacement;
use super::pinned::{self, PinnedFile, WrittenPinned, quoted};
use super::{FilePin, FileSource, Lock, Take};
use crate::error::{BuildError, Place};
use crate::files::is_relative;
use crate::hub::{Commit, HubName};
use crate::patterns::Patterns;

/// An entry's repository.
#[derive(Debug, Clone)]
pub struct HubFields {
    /// Hub, repository and revision.
    pub name: HubName,
    /// Which files are taken.
    pub patterns: Patterns,
    /// Digests of files that a person knows from elsewhere, by their paths.
    pub digests: BTreeMap<String, Sha256>,
    /// What is pinned; none while it is unresolved.
    pub pinned: Option<HubPinned>,
    /// Line of the lock with the key `pinned`, counted from 1.
    line: u64,
}

/// What `landfall lock` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubPinned {
    /// What it was resolved from: another text since then makes it stale.
    pub resolved: String,
    /// The commit that the revision named.
    pub commit: Commit,
    /// The license of the model card.
    pub license: Option<String>,
    /// The files that are taken.
    pub files: Vec<PinnedFile>,
}

/// `hub` as it is written.
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

/// Checks what is written of a repository; `text` is that of the lock.
pub(super) fn read(written: WrittenHub, text: &str, refuse: Refuse<'_>) -> crate::error::Result<HubFields> {
    let WrittenHub { address, repository, revision, include, exclude, digests, pinned } = written;
    let name = HubName::new(&address, &repository, &revision)
        .map_err(|invalid| refuse(&format!("hub.{}", invalid.field), invalid.what))?;
    let patterns = Patterns::new(&include, &exclude).map_err(|what| refuse("hub.include", what))?;
    let line = pinned::line(text, pinned.referenced.line(), "hub", refuse)?;
    let pinned = match pinned.value {
        WrittenPinned::Unresolved => None,
        WrittenPinned::Known(fields) => Some(known(fields, &name, refuse)?),
    };
    Ok(HubFields { name, patterns, digests, pinned, line })
}

fn known(fields: PinnedFields, name: &HubName, refuse: Refuse<'_>) -> crate::error::Result<HubPinned> {
    let commit: Commit = fields.commit.parse().map_err(|error| refuse("hub.pinned", format!("{error}")))?;
    let paths = fields.files.iter().map(|file| file.path.as_str());
    let is_path = |path: &str| is_relative(path) && name.file_url(&commit, path).is_some();
    pinned::check_files("hub", paths, is_path, refuse)?;
    Ok(HubPinned { resolved: fields.resolved, commit, license: fields.license, files: fields.files })
}

impl HubFields {
    /// What the pins are resolved from.
    pub fn source(&self) -> String {
        format!("{}{}", self.name, self.patterns)
    }

    /// Whether the pins were resolved from what the entry names now, and have the digests that a person wrote.
    pub fn is_confirmed(&self) -> bool {
        let is_confirmed =
            |pinned: &HubPinned| pinned.resolved == self.source() && self.must_have(&pinned.files).is_ok();
        self.pinned.as_ref().is_some_and(is_confirmed)
    }

    /// Refuses files without one of the digests that a person wrote.
    pub(super) fn must_have(&self, files: &[PinnedFile]) -> crate::error::Result<()> {
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

    /// Line of the lock, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The pinned files, as they are fetched.
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

    /// Writes what was found below the key, in place of what is there; none where the key is not where it was.
    pub(super) fn replacement(&self, lock: &Lock, found: &HubPinned) -> Option<Replacement> {
        pinned::replacement(lock, self.line, &lines(found))
    }
}

/// The lines below `pinned`.
fn lines(found: &HubPinned) -> Vec<String> {
    let mut lines = vec![format!("resolved: {}", quoted(&found.resolved)), format!("commit: '{}'", found.commit)];
    lines.extend(found.license.iter().map(|license| format!("license: {}", quoted(license))));
    lines.push("files:".to_owned());
    lines.extend(found.files.iter().map(PinnedFile::line));
    lines
}
