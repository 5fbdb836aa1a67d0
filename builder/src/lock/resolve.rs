//! `landfall lock`: asks the registries what the lock does not know yet.

use futures_util::{StreamExt as _, stream};
use landfall_bundle_spec::{Sha256, codes};
use landfall_media::progress::{Event, Progress};

use super::edit::{self, Replacement};
use super::{IndexField, List, Lock, LockEntry};
use crate::error::{BuildError, Place, Result};
use crate::fetch::{Client, IndexDocument, RawManifest, is_index};
use crate::reference::Reference;

/// Entries that are resolved at the same time.
const PARALLEL: usize = 8;

/// What was found for one entry.
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

/// Resolves all unresolved entries of a lock. What is pinned already is not changed: a pinned index is fetched by its
/// digest, a pinned manifest by its own.
pub async fn resolve(lock: &Lock, client: &Client, progress: &dyn Progress) -> Resolution {
    let open: Vec<_> = [List::Images, List::Artifacts]
        .into_iter()
        .flat_map(|list| lock.list(list).iter().enumerate().map(move |(number, entry)| (list, number, entry)))
        .filter(|(_, _, entry)| !entry.unresolved().is_empty())
        .collect();
    let total_bytes = None;
    progress.event(Event::PhaseStarted { phase: "resolving the lock".into(), total_bytes });
    let results: Vec<_> = stream::iter(open)
        .map(|(list, number, entry)| async move {
            let found = find(lock, entry, client, progress).await.map_err(|error| at(lock, list, number, entry, error));
            (entry, found)
        })
        .buffered(PARALLEL)
        .collect()
        .await;
    progress.event(Event::PhaseDone);
    let mut replacements = Vec::new();
    let mut resolution = Resolution { text: String::new(), resolved: 0, failures: Vec::new() };
    for (entry, found) in results {
        match found.and_then(|found| replace(lock, entry, &found)) {
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

/// Says which entry an error is about; the cause stays.
fn at(lock: &Lock, list: List, number: usize, entry: &LockEntry, error: BuildError) -> BuildError {
    let place = Place::field(&lock.path, entry.reference.referenced.line(), format!("{}[{number}]", list.field()));
    error.within(place)
}

async fn find(lock: &Lock, entry: &LockEntry, client: &Client, progress: &dyn Progress) -> Result<Found> {
    let reference: Reference =
        entry.reference.value.parse().map_err(|error| BuildError::new(codes::LOCK_UNREADABLE, format!("{error}")))?;
    let pinned_index = entry.index.as_ref().and_then(|index| match index.value {
        IndexField::Known(digest) => Some(digest),
        IndexField::None | IndexField::Unresolved => None,
    });
    if let Some(digest) = entry.digest.value.known() {
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

fn replace(lock: &Lock, entry: &LockEntry, found: &Found) -> Result<Vec<Replacement>> {
    let index_text = match found.index {
        IndexField::Known(digest) => digest.to_string(),
        IndexField::None | IndexField::Unresolved => "none".to_owned(),
    };
    let fields = [
        entry.index.as_ref().map(|index| Replacement::new(index, index_text)),
        Some(Replacement::new(&entry.digest, found.digest.to_string())),
        Some(Replacement::new(&entry.media_type, found.media_type.clone())),
        Some(Replacement::new(&entry.size, found.size.to_string())),
    ];
    fields.into_iter().flatten().collect::<Option<Vec<_>>>().ok_or_else(|| {
        BuildError::at(
            codes::BUG,
            Place::file(&lock.path),
            format!("the place of {} is not known", entry.reference.value),
        )
    })
}
