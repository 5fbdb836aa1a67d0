//! The lock: every upstream input, pinned by digest.

mod archive;
pub(crate) mod bucket;
mod document;
pub(crate) mod edit;
mod entry;
mod field;
mod find;
pub(crate) mod folder;
pub(crate) mod hub;
pub(crate) mod pinned;
pub(crate) mod position;
pub(crate) mod set;
pub(crate) mod signature_rule;
mod sums;
#[cfg(test)]
mod tests;
pub(crate) mod wheel_source;

use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use serde_saphyr::Spanned;

pub use archive::{ArchiveFields, ArchiveOrigin, name_and_version};
pub use bucket::BucketFields;
pub use field::{Field, IndexField};
pub use folder::FolderFields;
pub use hub::HubFields;
pub use set::SetFields;
pub use signature_rule::SignatureRule;
pub use sums::SumsFields;

use crate::documents::text;
use crate::error::{BuildError, Place, Result};
use crate::file_url::FileUrl;
use crate::pins::{ArtifactPin, FilePin, FileSource, FilesPin, Form, Pin, Take};
use crate::reference::Reference;
use crate::tool::Tool;

/// A lock with its original text, so that comments survive when it is written again.
#[derive(Debug, Clone)]
pub struct Lock {
    /// Path of the file that it was read from.
    pub path: PathBuf,
    /// The parsed document.
    pub document: LockDocument,
    text: String,
}

/// The parsed lock, checked as far as possible without the network.
#[derive(Debug, Clone)]
pub struct LockDocument {
    /// True if the images were assembled for tests rather than published by upstream.
    pub assembled: Spanned<bool>,
    /// Platform whose manifests are pinned.
    pub platform: Spanned<String>,
    /// The kubectl that renders, if the lock records one.
    pub renderer: Option<RendererFields>,
    /// The Helm that renders charts, if the lock records one.
    pub helm: Option<RendererFields>,
    /// Container images.
    pub images: Vec<LockEntry>,
    /// Artifacts: all other content of the bundle.
    pub artifacts: Vec<LockEntry>,
    /// Helm charts, which are rendered but do not go into the bundle.
    pub charts: Vec<LockEntry>,
    /// Rules that state which images must be signed, and with which keys.
    pub signatures: Vec<SignatureRule>,
}

impl LockDocument {
    /// The recorded program that renders with `tool`; `None` if the lock records none.
    pub fn renderer(&self, tool: Tool) -> Option<&RendererFields> {
        match tool {
            Tool::Kubectl => self.renderer.as_ref(),
            Tool::Helm => self.helm.as_ref(),
        }
    }
}

/// A program that renders, as recorded.
#[derive(Debug, Clone)]
pub struct RendererFields {
    /// Version that the program reports, for people.
    pub version: Spanned<Field<String>>,
    /// SHA-256 of the program.
    pub digest: Spanned<Field<Sha256>>,
}

impl RendererFields {
    /// Version and digest; `None` unless both are resolved.
    pub fn version_and_digest(&self) -> Option<(&str, Sha256)> {
        Some((self.version.value.as_known()?.as_str(), *self.digest.value.as_known()?))
    }
}

/// One upstream input.
#[derive(Debug, Clone)]
pub struct LockEntry {
    /// Full upstream reference with its tag.
    pub reference: Spanned<String>,
    /// Source of the input.
    pub content: Content,
    /// License of the content, for people.
    pub license: Option<String>,
    /// Recipe of an input that was assembled for tests.
    pub recipe: Option<String>,
}

/// Source of an input. The lock chooses it, so that one release definition works with several locks.
#[derive(Debug, Clone)]
pub enum Content {
    /// A manifest in a registry.
    Manifest(Box<ManifestFields>),
    /// Files that upstream publishes; the manifest is made here. Only for artifacts.
    Files(Vec<LockedFile>),
    /// An archive of a chart, from a repository of charts or a local folder. Only for charts.
    Archive(Box<ArchiveFields>),
    /// Files of a repository on a hub; the manifest is made here. Only for artifacts.
    Hub(Box<HubFields>),
    /// Objects of a bucket; the manifest is made here. Only for artifacts.
    Bucket(Box<BucketFields>),
    /// Files of a local folder; the manifest is made here. Only for artifacts.
    Folder(Box<FolderFields>),
    /// A set of packages; the manifest is made here. Only for artifacts.
    Set(Box<SetFields>),
}

/// Name that the digest in the same entry was resolved from. If the entry has another name now, that digest is stale.
pub type ResolvedName = Option<Spanned<Field<String>>>;

/// The pin of a manifest.
#[derive(Debug, Clone)]
pub struct ManifestFields {
    /// Reference that the digest was resolved from. If it has a digest of its own, that digest is requested in place of
    /// the tag.
    pub resolved: ResolvedName,
    /// Digest of upstream's index, which records only where the platform manifest was found.
    pub index: Option<Spanned<IndexField>>,
    /// Digest of the platform manifest.
    pub digest: Spanned<Field<Sha256>>,
    /// Media type of the manifest.
    pub media_type: Spanned<Field<String>>,
    /// Size of the manifest in bytes.
    pub size: Spanned<Field<u64>>,
}

/// A file that upstream publishes.
#[derive(Debug, Clone)]
pub struct LockedFile {
    /// URL as written in the lock.
    pub written: Spanned<String>,
    /// URL where upstream publishes it.
    pub url: FileUrl,
    /// URL that the digest was resolved from.
    pub resolved: ResolvedName,
    /// SHA-256 of the file.
    pub digest: Spanned<Field<Sha256>>,
    /// Size of the file in bytes.
    pub size: Spanned<Field<u64>>,
    /// Checksums that its publisher states, if the lock names them.
    pub sums: Option<SumsFields>,
    /// The part of the file that is used.
    pub take: Take,
}

/// The list that an entry belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum List {
    /// Container images.
    Images,
    /// Artifacts: all other content of the bundle.
    Artifacts,
    /// Helm charts.
    Charts,
}

impl List {
    /// Every list.
    pub(crate) const ALL: [Self; 3] = [Self::Images, Self::Artifacts, Self::Charts];

    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Artifacts => "artifacts",
            Self::Charts => "charts",
        }
    }

    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Images => "image",
            Self::Artifacts => "artifact",
            Self::Charts => "chart",
        }
    }
}

/// The name that a digest was resolved from, if the lock records one.
pub(crate) fn resolved_from(resolved: &ResolvedName) -> Option<&str> {
    resolved.as_ref()?.value.as_known().map(String::as_str)
}

impl ManifestFields {
    /// Digest of upstream's index, if it is known.
    pub(crate) fn index(&self) -> Option<Sha256> {
        match self.index.as_ref()?.value {
            IndexField::Known(digest) => Some(digest),
            IndexField::None | IndexField::Unresolved => None,
        }
    }

    /// Reference that the digest was resolved from: the entry's, with or without the digest by which an object names
    /// it.
    ///
    /// `None` if the lock records another reference, or none.
    pub(crate) fn found_by(&self, reference: &str) -> Option<Reference> {
        let from = resolved_from(&self.resolved)?;
        let rest = from.strip_prefix(reference)?;
        if rest.is_empty() || rest.starts_with('@') { from.parse().ok() } else { None }
    }

    /// Names of the fields that are unresolved.
    pub(crate) fn unresolved_fields(&self) -> Vec<&'static str> {
        names([
            ("digest", self.digest.value.as_known().is_none()),
            ("mediaType", self.media_type.value.as_known().is_none()),
            ("size", self.size.value.as_known().is_none()),
        ])
    }
}

impl LockedFile {
    /// Line in the lock, counted from 1.
    pub fn line(&self) -> u64 {
        self.written.referenced.line()
    }

    /// Returns true if the digest was resolved from the current URL.
    pub fn is_confirmed(&self) -> bool {
        resolved_from(&self.resolved) == Some(&self.written.value)
    }

    /// Returns true if the digest is binding for the current URL: a digest that was resolved from another URL is not.
    pub(crate) fn is_binding(&self) -> bool {
        resolved_from(&self.resolved).is_none() || self.is_confirmed()
    }

    /// The published checksums, if they have not confirmed the digest yet.
    pub(crate) fn unconfirmed_sums(&self) -> Option<&SumsFields> {
        self.sums.as_ref().filter(|sums| !sums.is_confirmed())
    }

    /// Returns true if the file must be requested: a field is unresolved, or a digest is unconfirmed.
    pub(crate) fn is_open(&self) -> bool {
        !self.unresolved_fields().is_empty() || !self.is_confirmed() || self.unconfirmed_sums().is_some()
    }

    /// Names of the fields that are unresolved.
    pub(crate) fn unresolved_fields(&self) -> Vec<&'static str> {
        names([("digest", self.digest.value.as_known().is_none()), ("size", self.size.value.as_known().is_none())])
    }
}

fn names<const N: usize>(fields: [(&'static str, bool); N]) -> Vec<&'static str> {
    fields.into_iter().filter_map(|(name, unresolved)| unresolved.then_some(name)).collect()
}

impl Lock {
    /// Reads a lock strictly.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(path, text(path, codes::LOCK_UNREADABLE)?)
    }

    /// Parses a text that was read from `path`.
    pub fn parse(path: &Path, text: String) -> Result<Self> {
        Ok(Self { path: path.to_owned(), document: document::read(path, &text)?, text })
    }

    /// The text of the lock.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The entries of a list.
    pub fn list(&self, list: List) -> &[LockEntry] {
        match list {
            List::Images => &self.document.images,
            List::Artifacts => &self.document.artifacts,
            List::Charts => &self.document.charts,
        }
    }

    /// Pin of an entry; `None` if a field is unresolved or if the manifest is made here.
    pub fn pin(&self, list: List, entry: &LockEntry) -> Option<Pin> {
        let Content::Manifest(fields) = &entry.content else { return None };
        Some(Pin {
            reference: entry.parse_reference()?,
            digest: *fields.digest.value.as_known()?,
            media_type: fields.media_type.value.as_known()?.clone(),
            size: *fields.size.value.as_known()?,
            license: entry.license.clone(),
            place: self.place(list, entry)?,
        })
    }

    /// Pin of an artifact; `None` if a field is unresolved.
    pub fn artifact_pin(&self, entry: &LockEntry) -> Option<ArtifactPin> {
        let place = self.place(List::Artifacts, entry)?;
        let name = place.field.clone().unwrap_or_default();
        let (files, license) = match &entry.content {
            Content::Files(files) => {
                let pins = files.iter().enumerate().map(|(number, file)| self.file_pin(&name, number, file));
                (pins.collect::<Option<_>>()?, None)
            }
            Content::Hub(hub) => (hub.pins(self, &name)?, hub.pinned.as_ref()?.license.clone()),
            Content::Bucket(bucket) => (bucket.pins(self, &name)?, None),
            Content::Folder(folder) => (folder.pins(self, &name)?, folder.pinned.as_ref()?.license.clone()),
            Content::Set(set) => (set.pins(self, &name)?, None),
            Content::Manifest(_) | Content::Archive(_) => {
                return self.pin(List::Artifacts, entry).map(ArtifactPin::Manifest);
            }
        };
        // The license in the lock takes precedence over that of the model card.
        let license = entry.license.clone().or(license);
        Some(ArtifactPin::Files(FilesPin {
            reference: entry.parse_reference()?,
            files,
            form: Form::Files,
            license,
            place,
        }))
    }

    fn file_pin(&self, entry: &str, number: usize, file: &LockedFile) -> Option<FilePin> {
        Some(FilePin {
            source: FileSource::Url(file.url.clone()),
            digest: *file.digest.value.as_known()?,
            size: *file.size.value.as_known()?,
            take: file.take.clone(),
            commit: None,
            place: Place::field(&self.path, file.line(), format!("{entry}.files[{number}]")),
        })
    }

    /// Line of an entry or of one of its files, by its field: `images[2]`, `artifacts[0].files[1]`.
    pub(crate) fn line_of(&self, field: &str) -> Option<u64> {
        let index = |text: &str| text.strip_suffix(']')?.parse::<usize>().ok();
        let (entry, file) = field.split_once(".files[").map_or((field, None), |(entry, file)| (entry, Some(file)));
        let (list, number) = entry.split_once('[')?;
        let list = List::ALL.into_iter().find(|known| known.field() == list)?;
        let entry = self.list(list).get(index(number)?)?;
        match (file, &entry.content) {
            (None, _) => Some(entry.reference.referenced.line()),
            (Some(file), Content::Files(files)) => Some(files.get(index(file)?)?.line()),
            (
                Some(_),
                Content::Manifest(_)
                | Content::Archive(_)
                | Content::Hub(_)
                | Content::Bucket(_)
                | Content::Folder(_)
                | Content::Set(_),
            ) => None,
        }
    }

    pub(crate) fn place(&self, list: List, entry: &LockEntry) -> Option<Place> {
        let index = self.list(list).iter().position(|other| other.reference.value == entry.reference.value)?;
        Some(Place::field(&self.path, entry.reference.referenced.line(), format!("{}[{index}]", list.field())))
    }

    /// Returns one error that names every unresolved field, and every digest that was resolved from another name.
    pub fn check_resolved(&self, entries: &[&LockEntry]) -> Result<()> {
        let unresolved: Vec<_> = entries.iter().flat_map(|entry| entry.unresolved_lines()).collect();
        if unresolved.is_empty() {
            return self.check_fresh(entries);
        }
        let noun = if unresolved.len() == 1 { "entry is" } else { "entries are" };
        let what = format!("{} {noun} unresolved:{}", unresolved.len(), unresolved.concat());
        Err(BuildError::at(codes::LOCK_UNRESOLVED, Place::file(&self.path), what))
    }

    fn check_fresh(&self, entries: &[&LockEntry]) -> Result<()> {
        let stale: Vec<_> = entries.iter().flat_map(|entry| entry.stale()).collect();
        if stale.is_empty() {
            return self.check_renderer();
        }
        let noun = if stale.len() == 1 { "entry has a digest that was" } else { "entries have digests that were" };
        let what = format!("{} {noun} never resolved from the name beside it:{}", stale.len(), stale.concat());
        Err(BuildError::at(codes::LOCK_STALE, Place::file(&self.path), what))
    }

    fn check_renderer(&self) -> Result<()> {
        if self.document.renderer.as_ref().and_then(RendererFields::version_and_digest).is_some() {
            return Ok(());
        }
        let what = "`renderer` does not name the kubectl that renders: only one program promises the same bytes";
        Err(BuildError::at(codes::RENDERER_UNPINNED, Place::file(&self.path), what))
    }
}
