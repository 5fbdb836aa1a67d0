//! Resolves charts in archives: the version in a repository's index, and the digest of the archive.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_media::durable;

use super::resolve::{MovedPin, Outcome, Resolver};
use crate::charts::{self, ChartIndex};
use crate::error::{BuildError, Result};
use crate::fetch::{FileRequest, MeasuredFile};
use crate::file_url::FileUrl;

use crate::lock::edit::Replacement;
use crate::lock::{ArchiveFields, ArchiveOrigin, LockEntry, edit, name_and_version, resolved_from};
use crate::reference::Reference;

/// A resolved archive.
struct ResolvedArchive {
    /// URL of the archive, if it is in a repository.
    url: Option<FileUrl>,
    measured: MeasuredFile,
}

impl Resolver<'_> {
    /// Finds an archive, reads it for its digest, and opens it, so that no hostile chart is pinned.
    pub(super) async fn archive(self, entry: &LockEntry, fields: &ArchiveFields) -> Result<Outcome> {
        let reference: Reference = entry
            .reference
            .value
            .parse()
            .map_err(|error| BuildError::new(codes::LOCK_UNREADABLE, format!("{error}")))?;
        let found = match &fields.origin {
            ArchiveOrigin::Repository(address) => match self.compare_offer(address, &reference, entry, fields).await? {
                Ok(found) => found,
                Err(outcome) => return Ok(outcome),
            },
            ArchiveOrigin::File(path) => {
                let path = self.lock.resolve_path(path);
                let bytes = charts::read_archive(&path)?;
                charts::open_archive(&path.display().to_string(), &bytes, &reference)?;
                let digest = Sha256::of(&bytes);
                ResolvedArchive { url: None, measured: MeasuredFile { digest, size: bytes.len() as u64 } }
            }
        };
        let name = fields.name(&entry.reference.value);
        let confirmed = resolved_from(&fields.resolved) == Some(&name);
        let binding = confirmed || resolved_from(&fields.resolved).is_none();
        if let Some(pinned) =
            fields.digest.value.as_known().filter(|pinned| binding && **pinned != found.measured.digest)
        {
            let what = format!("{name} is {} where the lock says {pinned}", found.measured.digest);
            return Err(BuildError::new(codes::FETCH_MISMATCH, what));
        }
        if confirmed && fields.unresolved_fields().is_empty() {
            return Ok(Outcome::Holds);
        }
        self.replacement_outcome(self.archive_fields(entry, fields, &found, name), &entry.reference.value)
    }

    /// Compares an archive with the repository's current offer: a new one to pin, the same, or a moved one.
    async fn compare_offer(
        self,
        address: &str,
        reference: &Reference,
        entry: &LockEntry,
        fields: &ArchiveFields,
    ) -> Result<std::result::Result<ResolvedArchive, Outcome>> {
        let index_url: FileUrl = format!("{address}/index.yaml")
            .parse()
            .map_err(|error| BuildError::new(codes::LOCK_UNREADABLE, format!("{error}")))?;
        let bytes = self.client.document(FileRequest::file(&index_url), ChartIndex::LIMIT_BYTES, self.progress).await?;
        let index = ChartIndex::read(&index_url, &bytes)?;
        let (name, version) = name_and_version(reference);
        let offer = index.offer(address, &name, &version)?;
        let confirmed = resolved_from(&fields.resolved) == Some(&fields.name(&entry.reference.value));
        if let (true, true, Some(pinned)) =
            (confirmed, fields.unresolved_fields().is_empty(), fields.digest.value.as_known())
        {
            return Ok(Err(match offer.digest.filter(|now| now != pinned) {
                Some(now) => {
                    let (pinned, now) = (pinned.to_string(), now.to_string());
                    Outcome::Moved(MovedPin { reference: reference.to_string(), pinned, now })
                }
                None => Outcome::Holds,
            }));
        }
        let measured = self.client.measure(&offer.url, self.store, self.progress).await?;
        if let Some(published) = offer.digest.filter(|published| *published != measured.digest) {
            let what = format!("{} is {} where {index_url} says {published}", offer.url, measured.digest);
            self.forget(measured.digest)?;
            return Err(BuildError::new(codes::FETCH_MISMATCH, what));
        }
        let opened = charts::read_blob(self.store, measured.digest)
            .and_then(|bytes| charts::open_archive(&offer.url.to_string(), &bytes, reference));
        if let Err(error) = opened {
            self.forget(measured.digest)?;
            return Err(error);
        }
        Ok(Ok(ResolvedArchive { url: Some(offer.url), measured }))
    }

    /// Removes a refused file from the store.
    pub(super) fn forget(self, digest: Sha256) -> Result<()> {
        durable::remove_file(&self.store.path(digest))?;
        Ok(())
    }

    fn archive_fields(
        self,
        entry: &LockEntry,
        fields: &ArchiveFields,
        found: &ResolvedArchive,
        name: String,
    ) -> Vec<Option<Replacement>> {
        let MeasuredFile { digest, size } = found.measured;
        let mut replacements = vec![
            Replacement::new(&fields.digest, digest.to_string()),
            Replacement::new(&fields.size, size.to_string()),
        ];
        let mut lacking = Vec::new();
        let url = found.url.as_ref().map(|url| ("url", &fields.url, url.to_string()));
        for (key, field, value) in [Some(("resolved", &fields.resolved, name)), url].into_iter().flatten() {
            match field {
                Some(field) => replacements.push(Replacement::new(field, value)),
                None => lacking.push((key, value)),
            }
        }
        if !lacking.is_empty() {
            replacements.push(edit::insert_after(self.lock, &entry.reference, &lacking));
        }
        replacements
    }
}
