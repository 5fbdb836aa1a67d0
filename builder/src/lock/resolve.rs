//! `landfall lock`: asks registries and servers what the lock does not know yet.

use futures_util::{StreamExt as _, stream};
use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_media::progress::{Event, Progress};

use super::edit::{self, Replacement};
use super::{Content, IndexField, List, Lock, LockEntry, LockedFile, ManifestFields};
use crate::error::{BuildError, Place, Result};
use crate::fetch::{Client, IndexDocument, RawManifest, is_index};
use crate::reference::Reference;

/// Entries and files that are resolved at the same time.
const PARALLEL: usize = 8;

/// What was found for a manifest.
#[derive(Debug, Clone)]
struct Found {
    index: IndexField,
    digest: Sha256,
    media_type: String,
    size: usize,
}

/// What resolving a lock came to.
#[derive(Debug)]
pub struct Resolution {
    /// The text of the lock with everything that was found.
    pub text: String,
    /// Entries that were unresolved and are resolved now.
    pub resolved: usize,
    /// Why others are not, one error per entry.
    pub failures: Vec<BuildError>,
}

/// One thing that is not resolved.
#[derive(Clone, Copy)]
enum Open<'a> {
    Manifest(&'a LockEntry, &'a ManifestFields),
    File(&'a LockedFile),
}

/// Resolves all unresolved entries of a lock. What is pinned already is not changed: a pinned index is fetched by its
/// digest, a pinned manifest by its own, and a file must have the digest and size that are pinned.
pub async fn resolve(lock: &Lock, client: &Client, progress: &dyn Progress) -> Resolution {
    let total_bytes = None;
    progress.event(Event::PhaseStarted { phase: "resolving the lock".into(), total_bytes });
    let results: Vec<_> = stream::iter(open(lock))
        .map(|(place, open)| async move {
            let found = match open {
                Open::Manifest(entry, fields) => manifest(lock, entry, fields, client, progress).await,
                Open::File(file) => measure(lock, file, client, progress).await,
            };
            // Says which entry an error is about; the cause stays.
            found.map_err(|error| error.within(place))
        })
        .buffered(PARALLEL)
        .collect()
        .await;
    progress.event(Event::PhaseDone);
    let mut replacements = Vec::new();
    let mut resolution = Resolution { text: String::new(), resolved: 0, failures: Vec::new() };
    for found in results {
        match found {
            Ok(list) => {
                replacements.extend(list);
                resolution.resolved += 1;
            }
            Err(error) => resolution.failures.push(error),
        }
    }
    resolution.text = edit::apply(lock, replacements);
    resolution
}

/// Everything that is unresolved, with its place.
fn open(lock: &Lock) -> Vec<(Place, Open<'_>)> {
    let mut open = Vec::new();
    for list in [List::Images, List::Artifacts] {
        for (number, entry) in lock.list(list).iter().enumerate() {
            let field = format!("{}[{number}]", list.field());
            match &entry.content {
                Content::Manifest(fields) if fields.unresolved().is_empty() => {}
                Content::Manifest(fields) => {
                    let place = Place::field(&lock.path, entry.reference.referenced.line(), field);
                    open.push((place, Open::Manifest(entry, fields)));
                }
                Content::Files(files) => {
                    for (number, file) in files.iter().enumerate().filter(|(_, file)| !file.unresolved().is_empty()) {
                        let place = Place::field(&lock.path, file.line, format!("{field}.files[{number}]"));
                        open.push((place, Open::File(file)));
                    }
                }
            }
        }
    }
    open
}

/// Fetches a file for its digest and its size.
async fn measure(lock: &Lock, file: &LockedFile, client: &Client, progress: &dyn Progress) -> Result<Vec<Replacement>> {
    let found = client.measure(&file.url, progress).await?;
    let mismatch = |found: String, pinned: String| {
        let what = format!("{} {found} where the lock says {pinned}", file.url);
        Err(BuildError::new(codes::FETCH_MISMATCH, what))
    };
    match (file.digest.value.known(), file.size.value.known()) {
        (Some(pinned), _) if *pinned != found.digest => mismatch(format!("is {}", found.digest), pinned.to_string()),
        (_, Some(pinned)) if *pinned != found.size => {
            mismatch(format!("has {} bytes", found.size), format!("{pinned}"))
        }
        _ => {
            let fields = [
                Replacement::new(&file.digest, found.digest.to_string()),
                Replacement::new(&file.size, found.size.to_string()),
            ];
            fields.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| place_unknown(lock, &file.url.to_string()))
        }
    }
}

async fn manifest(
    lock: &Lock,
    entry: &LockEntry,
    fields: &ManifestFields,
    client: &Client,
    progress: &dyn Progress,
) -> Result<Vec<Replacement>> {
    let found = find(lock, entry, fields, client, progress).await?;
    replace(fields, &found).ok_or_else(|| place_unknown(lock, &entry.reference.value))
}

fn place_unknown(lock: &Lock, what: &str) -> BuildError {
    BuildError::at(codes::BUG, Place::file(&lock.path), format!("the place of {what} is not known"))
}

async fn find(
    lock: &Lock,
    entry: &LockEntry,
    fields: &ManifestFields,
    client: &Client,
    progress: &dyn Progress,
) -> Result<Found> {
    let reference: Reference =
        entry.reference.value.parse().map_err(|error| BuildError::new(codes::LOCK_UNREADABLE, format!("{error}")))?;
    let pinned_index = fields.index.as_ref().and_then(|index| match index.value {
        IndexField::Known(digest) => Some(digest),
        IndexField::None | IndexField::Unresolved => None,
    });
    if let Some(digest) = fields.digest.value.known() {
        let manifest = client.manifest(&reference.with_digest(*digest), progress).await?;
        return found(&reference, pinned_index.map_or(IndexField::None, IndexField::Known), &manifest);
    }
    let first = match pinned_index {
        Some(digest) => client.manifest(&reference.with_digest(digest), progress).await?,
        None => client.manifest(&reference, progress).await?,
    };
    if !is_index(&first.media_type) {
        // What was published as an index may be the platform's manifest itself; its digest is then the pin.
        return found(&reference, IndexField::None, &first);
    }
    let index: IndexDocument = serde_json::from_slice(&first.bytes).map_err(|error| {
        BuildError::new(codes::FETCH_MISMATCH, format!("the index of {reference} is malformed")).because(error)
    })?;
    let platform = &lock.document.platform;
    let chosen = index.for_platform(platform).ok_or_else(|| {
        BuildError::new(codes::IMAGE_MISSING, format!("the index of {reference} has no manifest for {platform}"))
    })?;
    let manifest = client.manifest(&reference.with_digest(chosen.digest), progress).await?;
    found(&reference, IndexField::Known(first.digest), &manifest)
}

fn found(reference: &Reference, index: IndexField, manifest: &RawManifest) -> Result<Found> {
    if is_index(&manifest.media_type) {
        let what = format!("{reference} names an index where a platform manifest is needed");
        return Err(BuildError::new(codes::FETCH_MISMATCH, what));
    }
    Ok(Found { index, digest: manifest.digest, media_type: manifest.media_type.clone(), size: manifest.bytes.len() })
}

fn replace(fields: &ManifestFields, found: &Found) -> Option<Vec<Replacement>> {
    let index_text = match found.index {
        IndexField::Known(digest) => digest.to_string(),
        IndexField::None | IndexField::Unresolved => "none".to_owned(),
    };
    let replacements = [
        fields.index.as_ref().map(|index| Replacement::new(index, index_text)),
        Some(Replacement::new(&fields.digest, found.digest.to_string())),
        Some(Replacement::new(&fields.media_type, found.media_type.clone())),
        Some(Replacement::new(&fields.size, found.size.to_string())),
    ];
    replacements.into_iter().flatten().collect()
}
