//! Charts in archives: from a repository of charts with an `index.yaml`, or from a local file.

use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use serde_saphyr::Spanned;
use url::Url;

use super::document::Refuse;
use super::{Content, Field, List, Lock, LockEntry, ResolvedName};
use crate::error::Result;
use crate::file_url::FileUrl;
use crate::pins::{ArchivePin, ArchiveSource, ChartPin};
use crate::reference::Reference;

/// The pin of an archive.
#[derive(Debug, Clone)]
pub struct ArchiveFields {
    /// Source of the archive.
    pub origin: ArchiveOrigin,
    /// URL of the archive, if a repository has it.
    pub url: Option<Spanned<Field<String>>>,
    /// Name that the digest was resolved from.
    pub resolved: ResolvedName,
    /// SHA-256 of the archive.
    pub digest: Spanned<Field<Sha256>>,
    /// Size in bytes.
    pub size: Spanned<Field<u64>>,
}

/// Source of an archive.
#[derive(Debug, Clone)]
pub enum ArchiveOrigin {
    /// URL of a repository of charts, without a trailing `/`.
    Repository(String),
    /// Path of a local file, relative to the lock.
    File(PathBuf),
}

impl ArchiveFields {
    /// Name that the digest was resolved from; if it differs later, the digest is stale.
    pub fn name(&self, reference: &str) -> String {
        match &self.origin {
            ArchiveOrigin::Repository(address) => {
                format!("{address}/{}", reference.rsplit('/').next().unwrap_or_default())
            }
            ArchiveOrigin::File(path) => path.display().to_string(),
        }
    }

    /// Names of the fields that are unresolved.
    pub(crate) fn unresolved_fields(&self) -> Vec<&'static str> {
        let is_of_repository = matches!(self.origin, ArchiveOrigin::Repository(_));
        super::names([
            ("url", is_of_repository && self.address().is_none()),
            ("digest", self.digest.value.as_known().is_none()),
            ("size", self.size.value.as_known().is_none()),
        ])
    }

    /// URL of the archive, if it is known.
    pub(crate) fn address(&self) -> Option<FileUrl> {
        self.url.as_ref()?.value.as_known()?.parse().ok()
    }
}

/// Fields of an entry that name the source of its archive.
type OriginFields<'a> = (&'a Option<Spanned<String>>, &'a Option<Spanned<PathBuf>>, &'a Option<Spanned<Field<String>>>);

/// Source of an entry's archive; `None` for an entry without one.
pub(super) fn origin(list: List, written: OriginFields<'_>, refuse: Refuse<'_>) -> Result<Option<ArchiveOrigin>> {
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

/// URL of a repository, without a trailing `/`.
fn address(text: &str, refuse: Refuse<'_>) -> Result<String> {
    let plain = text.trim_end_matches('/');
    // The index's URL is valid if and only if the repository's URL is.
    match format!("{plain}/index.yaml").parse::<FileUrl>() {
        Ok(_) => Ok(plain.to_owned()),
        Err(_) if Url::parse(text).is_ok_and(|url| url.scheme() == "oci") => {
            let what = "a registry has no repository of charts: leave it out, and name the registry in `reference`";
            Err(refuse("repository", what.to_owned()))
        }
        Err(error) => Err(refuse("repository", format!("{error}"))),
    }
}

impl Lock {
    /// Pin of a chart; `None` if a field is unresolved.
    pub fn chart_pin(&self, entry: &LockEntry) -> Option<ChartPin> {
        let Content::Archive(archive) = &entry.content else {
            return self.pin(List::Charts, entry).map(ChartPin::Manifest);
        };
        let source = match &archive.origin {
            ArchiveOrigin::Repository(_) => ArchiveSource::Url(archive.address()?),
            ArchiveOrigin::File(path) => ArchiveSource::File(self.resolve_path(path)),
        };
        let (digest, size) = (*archive.digest.value.as_known()?, *archive.size.value.as_known()?);
        Some(ChartPin::Archive(ArchivePin { source, digest, size, place: self.place(List::Charts, entry)? }))
    }

    /// Resolves a path in the lock, which is relative to its folder.
    pub(crate) fn resolve_path(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }
}

/// Name and version of a chart, from its reference in the lock. A tag cannot contain the `+` of a version, so
/// registries of charts use `_`.
pub fn name_and_version(reference: &Reference) -> (String, String) {
    let name = reference.repository.rsplit('/').next().unwrap_or_default();
    (name.to_owned(), reference.tag.as_deref().unwrap_or_default().replace('_', "+"))
}
