//! The lock: every upstream input, pinned by digest.

mod archive;
mod bucket;
mod charts;
mod check;
mod chosen;
mod command;
mod difference;
mod discovery;
mod document;
mod edit;
mod entry;
#[cfg(test)]
mod examples;
mod field;
mod find;
mod folder;
mod folder_files;
mod hub;
mod models;
mod npm;
mod objects;
mod ollama_files;
mod pin;
mod pinned;
mod platform;
mod position;
mod requests;
mod resolve;
mod set;
mod signatures;
mod sums;
#[cfg(test)]
mod tests;
mod update;
mod wheel_source;
mod wheels;

use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use serde_saphyr::Spanned;

pub use archive::{ArchiveFields, ArchiveOrigin, ArchivePin, ArchiveSource, ChartPin, name_and_version};
pub use bucket::BucketFields;
pub use check::{LockCheck, check};
pub use command::{LockReport, lock};
pub use difference::{ChangedKind, EntryChange, InputChange, PinnedInput};
pub use discovery::{AddedImage, ImageInDoubt, LockFindings, UnlistedImage, UnrenderedComponent, UnusedEntry};
pub use field::{Field, IndexField};
pub use folder::FolderFields;
pub use hub::HubFields;
pub use pin::{ArtifactPin, FilePin, FileSource, FilesPin, Form, Pin, Take};
#[cfg(test)]
pub(crate) use requests::requests_of_lock;
pub use requests::{FollowUp, FollowUpKind, LockRequest, LockRequests, RequestKind, requests};
pub use resolve::Moved;
#[cfg(test)]
pub use resolve::{Resolution, resolve};
pub use set::SetFields;
pub use signatures::{CarriedSignature, SignatureRule, SignatureSource, carried};
pub use sums::SumsFields;
pub use update::{LockUpdate, update};

use crate::definition;
use crate::error::{BuildError, Place, Result};
use crate::file_url::FileUrl;
use crate::reference::Reference;
use crate::render::Tool;

/// A lock that was read, with the text it was read from, which keeps its comments when it is written again.
#[derive(Debug, Clone)]
pub struct Lock {
    /// The file it was read from.
    pub path: PathBuf,
    /// What it says.
    pub document: LockDocument,
    text: String,
}

/// What a lock says, checked as far as it can be without the network.
#[derive(Debug, Clone)]
pub struct LockDocument {
    /// Whether the images were assembled for tests rather than made by upstream.
    pub assembled: Spanned<bool>,
    /// Platform whose manifests are pinned.
    pub platform: Spanned<String>,
    /// The kubectl that renders, where the lock records one.
    pub renderer: Option<RendererFields>,
    /// The Helm that renders charts, where the lock records one.
    pub helm: Option<RendererFields>,
    /// Container images.
    pub images: Vec<LockEntry>,
    /// Everything else that travels.
    pub artifacts: Vec<LockEntry>,
    /// Helm charts, which are rendered and do not travel.
    pub charts: Vec<LockEntry>,
    /// Which images must be signed, and by whose keys.
    pub signatures: Vec<SignatureRule>,
}

impl LockDocument {
    /// The program that renders, where the lock records one.
    pub fn renderer(&self, tool: Tool) -> Option<&RendererFields> {
        match tool {
            Tool::Kubectl => self.renderer.as_ref(),
            Tool::Helm => self.helm.as_ref(),
        }
    }
}

/// A program that renders.
#[derive(Debug, Clone)]
pub struct RendererFields {
    /// What it says its version is, for people.
    pub version: Spanned<Field<String>>,
    /// SHA-256 of the program.
    pub digest: Spanned<Field<Sha256>>,
}

impl RendererFields {
    /// Version and digest, where both are resolved.
    pub fn known(&self) -> Option<(&str, Sha256)> {
        Some((self.version.value.known()?.as_str(), *self.digest.value.known()?))
    }
}

/// One upstream input.
#[derive(Debug, Clone)]
pub struct LockEntry {
    /// Full upstream reference with its tag.
    pub reference: Spanned<String>,
    /// Where it comes from.
    pub content: Content,
    /// License of what is inside, for people.
    pub license: Option<String>,
    /// Recipe that assembled it, where it was assembled for tests.
    pub recipe: Option<String>,
}

/// Where an input comes from: the lock decides, so that one release definition serves several locks.
#[derive(Debug, Clone)]
pub enum Content {
    /// A registry has its manifest.
    Manifest(Box<ManifestFields>),
    /// Upstream publishes files; the manifest is made here. Only for artifacts.
    Files(Vec<LockedFile>),
    /// An archive of a chart, from a repository of charts or a folder of this machine. Only for charts.
    Archive(Box<ArchiveFields>),
    /// Files of a repository on a hub; the manifest is made here. Only for artifacts.
    Hub(Box<HubFields>),
    /// Objects of a bucket; the manifest is made here. Only for artifacts.
    Bucket(Box<BucketFields>),
    /// Files of a folder of this machine; the manifest is made here. Only for artifacts.
    Folder(Box<FolderFields>),
    /// A set of packages; the manifest is made here. Only for artifacts.
    Set(Box<SetFields>),
}

/// What the digest beside it was resolved from; another name since then makes that digest stale.
pub type Resolved = Option<Spanned<Field<String>>>;

/// The pin of a manifest.
#[derive(Debug, Clone)]
pub struct ManifestFields {
    /// The reference that the digest was resolved from. With a digest of its own, that is asked for instead of the tag.
    pub resolved: Resolved,
    /// Digest of upstream's index: where the platform manifest was found, nothing more.
    pub index: Option<Spanned<IndexField>>,
    /// Digest of the platform manifest.
    pub digest: Spanned<Field<Sha256>>,
    /// Its media type.
    pub media_type: Spanned<Field<String>>,
    /// Its bytes.
    pub size: Spanned<Field<u64>>,
}

/// A file as upstream publishes it.
#[derive(Debug, Clone)]
pub struct LockedFile {
    /// Its address as the lock has it.
    pub written: Spanned<String>,
    /// Where upstream publishes it.
    pub url: FileUrl,
    /// The address that the digest was resolved from.
    pub resolved: Resolved,
    /// Its SHA-256.
    pub digest: Spanned<Field<Sha256>>,
    /// Its bytes.
    pub size: Spanned<Field<u64>>,
    /// What its publisher states about it, where the lock names that.
    pub sums: Option<SumsFields>,
    /// What is taken of it.
    pub take: Take,
}

/// Which of the two lists an entry is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum List {
    /// Container images.
    Images,
    /// Everything else that travels.
    Artifacts,
    /// Helm charts.
    Charts,
}

impl List {
    /// Every list.
    const ALL: [Self; 3] = [Self::Images, Self::Artifacts, Self::Charts];

    fn field(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Artifacts => "artifacts",
            Self::Charts => "charts",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Images => "image",
            Self::Artifacts => "artifact",
            Self::Charts => "chart",
        }
    }
}

/// The name that a digest was resolved from, where the lock records one.
pub(crate) fn resolved_from(resolved: &Resolved) -> Option<&str> {
    resolved.as_ref()?.value.known().map(String::as_str)
}

impl ManifestFields {
    /// The digest of upstream's index, where the lock knows it.
    fn index(&self) -> Option<Sha256> {
        match self.index.as_ref()?.value {
            IndexField::Known(digest) => Some(digest),
            IndexField::None | IndexField::Unresolved => None,
        }
    }

    /// The reference that the digest was resolved from: that of the entry, or the same with the digest by which an object names it. None
    /// where the lock records another reference, or none.
    fn found_by(&self, reference: &str) -> Option<Reference> {
        let from = resolved_from(&self.resolved)?;
        let rest = from.strip_prefix(reference)?;
        if rest.is_empty() || rest.starts_with('@') { from.parse().ok() } else { None }
    }

    /// Names of the fields that are unresolved.
    fn unresolved(&self) -> Vec<&'static str> {
        names([
            ("digest", self.digest.value.known().is_none()),
            ("mediaType", self.media_type.value.known().is_none()),
            ("size", self.size.value.known().is_none()),
        ])
    }
}

impl LockedFile {
    /// Line of the lock, counted from 1.
    pub fn line(&self) -> u64 {
        self.written.referenced.line()
    }

    /// Whether its digest was resolved from the address that it has now.
    pub fn is_confirmed(&self) -> bool {
        resolved_from(&self.resolved) == Some(&self.written.value)
    }

    /// Whether its digest says what its address must have: what was resolved from another address says nothing about this one.
    fn is_binding(&self) -> bool {
        resolved_from(&self.resolved).is_none() || self.is_confirmed()
    }

    /// The published sums that have not stated its digest yet.
    fn unconfirmed_sums(&self) -> Option<&SumsFields> {
        self.sums.as_ref().filter(|sums| !sums.is_confirmed())
    }

    /// Whether anything of it must be asked for.
    fn is_open(&self) -> bool {
        !self.unresolved().is_empty() || !self.is_confirmed() || self.unconfirmed_sums().is_some()
    }

    /// Names of the fields that are unresolved.
    fn unresolved(&self) -> Vec<&'static str> {
        names([("digest", self.digest.value.known().is_none()), ("size", self.size.value.known().is_none())])
    }
}

fn names<const N: usize>(fields: [(&'static str, bool); N]) -> Vec<&'static str> {
    fields.into_iter().filter_map(|(name, unresolved)| unresolved.then_some(name)).collect()
}

impl Lock {
    /// Reads a lock strictly.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(path, definition::text(path, codes::LOCK_UNREADABLE)?)
    }

    /// The same from a text that was read from `path`.
    pub fn parse(path: &Path, text: String) -> Result<Self> {
        Ok(Self { path: path.to_owned(), document: document::read(path, &text)?, text })
    }

    /// The text that it was read from.
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

    /// What an entry of this lock pins, unless a field is unresolved or its manifest is made here.
    pub fn pin(&self, list: List, entry: &LockEntry) -> Option<Pin> {
        let Content::Manifest(fields) = &entry.content else { return None };
        Some(Pin {
            reference: entry.parsed()?,
            digest: *fields.digest.value.known()?,
            media_type: fields.media_type.value.known()?.clone(),
            size: *fields.size.value.known()?,
            license: entry.license.clone(),
            place: self.place(list, entry)?,
        })
    }

    /// What an entry of the artifacts pins, unless a field is unresolved.
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
        // What a person wrote is meant, whatever the model card says.
        let license = entry.license.clone().or(license);
        Some(ArtifactPin::Files(FilesPin { reference: entry.parsed()?, files, form: Form::Files, license, place }))
    }

    fn file_pin(&self, entry: &str, number: usize, file: &LockedFile) -> Option<FilePin> {
        Some(FilePin {
            source: FileSource::Url(file.url.clone()),
            digest: *file.digest.value.known()?,
            size: *file.size.value.known()?,
            take: file.take.clone(),
            commit: None,
            place: Place::field(&self.path, file.line(), format!("{entry}.files[{number}]")),
        })
    }

    /// Line of an entry, or of a file of one, by its field: `images[2]`, `artifacts[0].files[1]`.
    fn line_of(&self, field: &str) -> Option<u64> {
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

    fn place(&self, list: List, entry: &LockEntry) -> Option<Place> {
        let index = self.list(list).iter().position(|other| other.reference.value == entry.reference.value)?;
        Some(Place::field(&self.path, entry.reference.referenced.line(), format!("{}[{index}]", list.field())))
    }

    /// Refuses entries of which anything is unresolved, or whose digest belongs to another name than theirs, with one
    /// error that names all of it.
    pub fn check_resolved(&self, entries: &[&LockEntry]) -> Result<()> {
        let unresolved: Vec<_> = entries.iter().flat_map(|entry| entry.unresolved()).collect();
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
        if self.document.renderer.as_ref().and_then(RendererFields::known).is_some() {
            return Ok(());
        }
        let what = "`renderer` does not name the kubectl that renders: only one program promises the same bytes";
        Err(BuildError::at(codes::RENDERER_UNPINNED, Place::file(&self.path), what))
    }
}
