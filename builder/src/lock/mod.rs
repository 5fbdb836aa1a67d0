//! The lock: every upstream input, pinned by digest.

mod command;
mod edit;
mod field;
mod resolve;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use landfall_bundle_spec::{Sha256, codes};
use serde::Deserialize;
use serde_saphyr::Spanned;

pub use command::{LockReport, update};
pub use field::{Field, IndexField};

use crate::definition::yaml_text;
use crate::error::{BuildError, Place, Result};
use crate::reference::Reference;

/// A lock that was read, with the text it was read from, which keeps its comments when it is written again.
#[derive(Debug, Clone)]
pub struct Lock {
    /// The file it was read from.
    pub path: PathBuf,
    /// What it says.
    pub document: LockDocument,
    text: String,
}

/// The lock as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockDocument {
    /// Whether the images were assembled for tests rather than made by upstream.
    pub assembled: bool,
    /// Platform whose manifests are pinned.
    pub platform: String,
    /// Container images.
    pub images: Vec<LockEntry>,
    /// Everything else.
    #[serde(default)]
    pub artifacts: Vec<LockEntry>,
}

/// One upstream input.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockEntry {
    /// Full upstream reference with its tag.
    pub reference: Spanned<String>,
    /// Digest of upstream's index: where the platform manifest was found, nothing more.
    #[serde(default)]
    pub index: Option<Spanned<IndexField>>,
    /// Digest of the platform manifest.
    pub digest: Spanned<Field<Sha256>>,
    /// Its media type.
    pub media_type: Spanned<Field<String>>,
    /// Its bytes.
    pub size: Spanned<Field<u64>>,
    /// License of what is inside, for people.
    #[serde(default)]
    pub license: Option<String>,
    /// Recipe that assembled it, where it was assembled for tests.
    #[serde(default)]
    pub recipe: Option<String>,
}

/// What the lock pins of one manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Full upstream reference with its tag.
    pub reference: Reference,
    /// The platform manifest.
    pub digest: Sha256,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub size: u64,
    /// License of what is inside, where the lock says so.
    pub license: Option<String>,
    /// Where the lock says all this.
    pub place: Place,
}

/// Which of the two lists an entry stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Container images.
    Images,
    /// Everything else.
    Artifacts,
}

impl List {
    fn field(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Artifacts => "artifacts",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Images => "image",
            Self::Artifacts => "artifact",
        }
    }
}

impl LockEntry {
    /// The reference, which was checked when the lock was read.
    fn parsed(&self) -> Option<Reference> {
        self.reference.value.parse().ok()
    }

    /// Names of the fields that are unresolved.
    fn unresolved(&self) -> Vec<&'static str> {
        [
            ("digest", self.digest.value.known().is_none()),
            ("mediaType", self.media_type.value.known().is_none()),
            ("size", self.size.value.known().is_none()),
        ]
        .into_iter()
        .filter_map(|(name, unresolved)| unresolved.then_some(name))
        .collect()
    }
}

impl Lock {
    /// Reads a lock strictly.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs_err::read_to_string(path).map_err(|error| {
            BuildError::at(codes::LOCK_UNREADABLE, Place::file(path), "cannot be read").because(error)
        })?;
        Self::parse(path, text)
    }

    /// The same from a text that was read from `path`.
    pub fn parse(path: &Path, text: String) -> Result<Self> {
        let document: LockDocument = yaml_text(path, &text, codes::LOCK_UNREADABLE)?;
        let lock = Self { path: path.to_owned(), document, text };
        for list in [List::Images, List::Artifacts] {
            for (index, entry) in lock.list(list).iter().enumerate() {
                lock.check(list, index, entry)?;
            }
        }
        Ok(lock)
    }

    /// The entries of a list.
    pub fn list(&self, list: List) -> &[LockEntry] {
        match list {
            List::Images => &self.document.images,
            List::Artifacts => &self.document.artifacts,
        }
    }

    /// What an entry of this lock pins, unless a field is unresolved.
    pub fn pin(&self, list: List, entry: &LockEntry) -> Option<Pin> {
        let index = self.list(list).iter().position(|other| other.reference.value == entry.reference.value)?;
        let line = entry.reference.referenced.line();
        Some(Pin {
            reference: entry.parsed()?,
            digest: *entry.digest.value.known()?,
            media_type: entry.media_type.value.known()?.clone(),
            size: *entry.size.value.known()?,
            license: entry.license.clone(),
            place: Place::field(&self.path, line, format!("{}[{index}]", list.field())),
        })
    }

    fn check(&self, list: List, index: usize, entry: &LockEntry) -> Result<()> {
        let invalid = |what: String| {
            let field = format!("{}[{index}].reference", list.field());
            BuildError::at(
                codes::LOCK_UNREADABLE,
                Place::field(&self.path, entry.reference.referenced.line(), field),
                what,
            )
        };
        let reference: Reference = entry.reference.value.parse().map_err(|error| invalid(format!("{error}")))?;
        if reference.to_string() != entry.reference.value {
            return Err(invalid(format!("write `{}` in full, as `{reference}`", entry.reference.value)));
        }
        if reference.tag.is_none() || reference.digest.is_some() {
            return Err(invalid(format!("`{reference}` needs a tag and no digest: the digest has its own field")));
        }
        if self.list(list)[..index].iter().any(|other| other.reference.value == entry.reference.value) {
            return Err(invalid(format!("`{reference}` stands twice")));
        }
        Ok(())
    }

    /// The entry that a reference means: a repository alone must match exactly one entry, a tag its own.
    ///
    /// The error says why there is none; `place` says who asks.
    pub fn find(&self, list: List, wanted: &Reference, place: Place) -> Result<&LockEntry> {
        let of_repository: Vec<_> = self
            .list(list)
            .iter()
            .filter(|entry| entry.parsed().is_some_and(|reference| reference.name() == wanted.name()))
            .collect();
        let matching: Vec<_> = of_repository
            .iter()
            .copied()
            .filter(|entry| entry.parsed().is_some_and(|reference| wanted.tag.is_none() || wanted.tag == reference.tag))
            .filter(|entry| wanted.digest.is_none() || entry.digest.value.known() == wanted.digest.as_ref())
            .collect();
        let lock = self.path.display();
        let not_locked = |what: String| BuildError::at(codes::IMAGE_NOT_LOCKED, place, what);
        match matching[..] {
            [entry] => Ok(entry),
            [] if of_repository.is_empty() => {
                Err(not_locked(format!("the {} `{wanted}` is not in the lock {lock}", list.noun())))
            }
            [] => {
                let others: Vec<_> = of_repository.iter().map(|entry| format!("`{}`", entry.reference.value)).collect();
                Err(not_locked(format!(
                    "the {} `{wanted}` is not in the lock {lock}, which has {}",
                    list.noun(),
                    others.join(", ")
                )))
            }
            _ => {
                let others: Vec<_> = matching.iter().map(|entry| format!("`{}`", entry.reference.value)).collect();
                Err(not_locked(format!(
                    "`{wanted}` may mean any of {} in the lock {lock}: name a tag",
                    others.join(", ")
                )))
            }
        }
    }

    /// The pins of the given entries, or one error that names all that are unresolved.
    pub fn pins(&self, entries: &[(List, &LockEntry)]) -> Result<Vec<Pin>> {
        let unresolved: Vec<_> = entries
            .iter()
            .filter(|(_, entry)| !entry.unresolved().is_empty())
            .map(|(_, entry)| {
                format!(
                    "\n  line {}: {} ({})",
                    entry.reference.referenced.line(),
                    entry.reference.value,
                    entry.unresolved().join(", ")
                )
            })
            .collect();
        if unresolved.is_empty() {
            return Ok(entries.iter().filter_map(|(list, entry)| self.pin(*list, entry)).collect());
        }
        let noun = if unresolved.len() == 1 { "entry is" } else { "entries are" };
        let what = format!("{} {noun} unresolved:{}", unresolved.len(), unresolved.concat());
        Err(BuildError::at(codes::LOCK_UNRESOLVED, Place::file(&self.path), what))
    }
}
