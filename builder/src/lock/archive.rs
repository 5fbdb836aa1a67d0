//! Charts that are archives: from a repository of charts, which has an `index.yaml`, or from this machine.

use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use serde_saphyr::Spanned;
use url::Url;

use super::document::Refuse;
use super::{Content, Field, List, Lock, LockEntry, Pin, Resolved};
use crate::error::{Place, Result};
use crate::file_url::FileUrl;
use crate::reference::Reference;

/// The pin of an archive.
#[derive(Debug, Clone)]
pub struct ArchiveFields {
    /// Where it comes from.
    pub origin: ArchiveOrigin,
    /// The address of the archive, where it is a repository's.
    pub url: Option<Spanned<Field<String>>>,
    /// What the digest was resolved from.
    pub resolved: Resolved,
    /// SHA-256 of the archive.
    pub digest: Spanned<Field<Sha256>>,
    /// Its bytes.
    pub size: Spanned<Field<u64>>,
}

/// Where an archive comes from.
#[derive(Debug, Clone)]
pub enum ArchiveOrigin {
    /// A repository of charts, by its address, without `/` at the end.
    Repository(String),
    /// A file, relative to the lock.
    File(PathBuf),
}

impl ArchiveFields {
    /// What the digest is resolved from: another text since then makes the digest stale.
    pub fn name(&self, reference: &str) -> String {
        match &self.origin {
            ArchiveOrigin::Repository(address) => {
                format!("{address}/{}", reference.rsplit('/').next().unwrap_or_default())
            }
            ArchiveOrigin::File(path) => path.display().to_string(),
        }
    }

    /// Names of the fields that are unresolved.
    pub(super) fn unresolved(&self) -> Vec<&'static str> {
        let is_of_repository = matches!(self.origin, ArchiveOrigin::Repository(_));
        super::names([
            ("url", is_of_repository && self.address().is_none()),
            ("digest", self.digest.value.known().is_none()),
            ("size", self.size.value.known().is_none()),
        ])
    }

    /// The address of the archive, where it is known.
    pub(super) fn address(&self) -> Option<FileUrl> {
        self.url.as_ref()?.value.known()?.parse().ok()
    }
}

/// The fields of an entry that say where its archive comes from.
type Written<'a> = (&'a Option<Spanned<String>>, &'a Option<Spanned<PathBuf>>, &'a Option<Spanned<Field<String>>>);

/// Where the archive of an entry comes from; none for an entry without one.
pub(super) fn origin(list: List, written: Written<'_>, refuse: Refuse<'_>) -> Result<Option<ArchiveOrigin>> {
    let (repository, archive, url) = written;
    let origin = match (repository, archive) {
        (None, None) if url.is_some() => {
            return Err(refuse("url", "only a chart of a `repository` has the address of its archive".to_owned()));
        }
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(refuse("archive", "a chart comes from a `repository` or from an `archive`".to_owned()));
        }
        (Some(repository), None) => ArchiveOrigin::Repository(address(&repository.value, refuse)?),
        (None, Some(archive)) => {
            if url.is_some() {
                return Err(refuse("url", "an archive of this machine has no address".to_owned()));
            }
            ArchiveOrigin::File(archive.value.clone())
        }
    };
    if list != List::Charts {
        return Err(refuse("repository", format!("no {} comes from it; only charts do", list.noun())));
    }
    if let Some(Field::Known(text)) = url.as_ref().map(|url| &url.value) {
        text.parse::<FileUrl>().map_err(|error| refuse("url", format!("{error}")))?;
    }
    Ok(Some(origin))
}

/// The address of a repository, without `/` at its end.
fn address(text: &str, refuse: Refuse<'_>) -> Result<String> {
    let plain = text.trim_end_matches('/');
    // What is true of the address of the index is true of the repository's.
    match format!("{plain}/index.yaml").parse::<FileUrl>() {
        Ok(_) => Ok(plain.to_owned()),
        Err(_) if Url::parse(text).is_ok_and(|url| url.scheme() == "oci") => {
            let what = "a registry has no repository of charts: leave it out, and name the registry in `reference`";
            Err(refuse("repository", what.to_owned()))
        }
        Err(error) => Err(refuse("repository", format!("{error}"))),
    }
}

/// What the lock pins of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChartPin {
    /// A manifest that a registry has.
    Manifest(Pin),
    /// An archive.
    Archive(ArchivePin),
}

impl ChartPin {
    /// The digest of what is fetched.
    pub fn digest(&self) -> Sha256 {
        match self {
            Self::Manifest(pin) => pin.digest,
            Self::Archive(pin) => pin.digest,
        }
    }
}

/// An archive of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivePin {
    /// Where it is.
    pub source: ArchiveSource,
    /// Its SHA-256.
    pub digest: Sha256,
    /// Its bytes.
    pub size: u64,
    /// Where the lock says all this.
    pub place: Place,
}

/// Where an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveSource {
    /// A server publishes it.
    Url(FileUrl),
    /// A file of this machine.
    File(PathBuf),
}

impl Lock {
    /// What an entry of the charts pins, unless a field is unresolved.
    pub fn chart_pin(&self, entry: &LockEntry) -> Option<ChartPin> {
        let Content::Archive(archive) = &entry.content else {
            return self.pin(List::Charts, entry).map(ChartPin::Manifest);
        };
        let source = match &archive.origin {
            ArchiveOrigin::Repository(_) => ArchiveSource::Url(archive.address()?),
            ArchiveOrigin::File(path) => ArchiveSource::File(self.beside(path)),
        };
        let (digest, size) = (*archive.digest.value.known()?, *archive.size.value.known()?);
        Some(ChartPin::Archive(ArchivePin { source, digest, size, place: self.place(List::Charts, entry)? }))
    }

    /// A path of the lock, which is relative to its folder.
    pub(super) fn beside(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }
}

/// Name and version of a chart, by the reference that it has in the lock. A tag cannot have the `+` of a version, for which
/// registries of charts write `_`.
pub fn name_and_version(reference: &Reference) -> (String, String) {
    let name = reference.repository.rsplit('/').next().unwrap_or_default();
    (name.to_owned(), reference.tag.as_deref().unwrap_or_default().replace('_', "+"))
}
