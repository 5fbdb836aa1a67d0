//! Check of packs. Each is read once from the disk, and its bytes are compared with its name. Then each of its blobs is
//! decrypted and compared with its ID.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

use landfall_progress::{Event, Progress};
use rustic_core::repofile::{BlobType, IndexFile, IndexPack};
use rustic_core::{BlobId, FileType, Id};

use super::damage::{DamageKind, Part};
use super::survey::{Survey, state};
use crate::error::Result;
use crate::layout;
use crate::library::{self, IndexedRepository};
use crate::read::checked_blob;
use crate::store::Store;

/// Maximum number of packs read at a time: a check leaves processors to running software.
const WORKERS: usize = 4;

/// Unreadable blobs, each with the file of its pack.
pub(super) type BadBlobs = HashMap<(BlobType, BlobId), PathBuf>;

/// A pack as described by index files.
#[derive(Debug, Clone)]
pub(super) struct DescribedPack {
    pub id: Id,
    /// Blobs of the pack; empty if no index file names it.
    pub blobs: Vec<(BlobType, BlobId)>,
}

/// Depth of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// The bytes are compared with the name. Blobs are read only if these differ.
    Bytes,
    /// In addition, each blob is decrypted.
    Blobs,
}

/// Problem of a pack.
struct Finding {
    id: Id,
    what: Option<DamageKind>,
    bad: Vec<(BlobType, BlobId)>,
}

/// Reads these packs, and records the damaged ones. Without an index, their blobs are unknown.
pub(super) fn check(
    indexed: Option<&IndexedRepository>,
    packs: &[DescribedPack],
    depth: Depth,
    survey: &mut Survey,
    progress: &dyn Progress,
) -> BadBlobs {
    let (next, findings) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = available_parallelism().map_or(1, NonZero::get).min(WORKERS);
    let store = survey.store.clone();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(pack) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let finding = examine(indexed, &*store, pack, depth, progress);
                    findings.lock().unwrap_or_else(PoisonError::into_inner).extend(finding);
                }
            });
        }
    });
    let mut all_bad = BadBlobs::new();
    for Finding { id, what, bad } in findings.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let file = layout::relative(FileType::Pack, &id);
        all_bad.extend(bad.into_iter().map(|blob| (blob, file.clone())));
        survey.note(Part::Pack, file, what.unwrap_or(DamageKind::Invalid));
    }
    all_bad
}

/// Returns every pack that exists or that an index file names, ordered by ID.
pub(super) fn described_packs(indexed: &IndexedRepository, survey: &Survey) -> Result<Vec<DescribedPack>> {
    let unread = |error| library::damage(survey.store.place(), "an index file cannot be read", error);
    let mut packs: BTreeMap<Id, Vec<(BlobType, BlobId)>> =
        survey.packs.iter().map(|(id, _)| (*id, Vec::new())).collect();
    for read in indexed.stream_files::<IndexFile>().map_err(unread)? {
        let (_, index) = read.map_err(unread)?;
        for IndexPack { id, blobs, .. } in index.packs {
            packs.entry(*id).or_default().extend(blobs.into_iter().map(|blob| (blob.tpe, blob.id)));
        }
        // The library does not find blobs of packs that a prune has marked, but these packs must still be intact.
        for IndexPack { id, .. } in index.packs_to_delete {
            packs.entry(*id).or_default();
        }
    }
    Ok(packs.into_iter().map(|(id, blobs)| DescribedPack { id, blobs }).collect())
}

fn examine(
    indexed: Option<&IndexedRepository>,
    store: &dyn Store,
    DescribedPack { id, blobs }: &DescribedPack,
    depth: Depth,
    progress: &dyn Progress,
) -> Option<Finding> {
    let (root, file) = (store.place(), layout::relative(FileType::Pack, id));
    let what = state(store, &file, id, &mut |bytes| progress.event(Event::Advanced { bytes }));
    // Blobs of a damaged pack may be intact, and those of a missing one may be in another pack.
    let read = indexed.filter(|_| depth == Depth::Blobs || what.is_some());
    let is_bad = |(kind, blob): &&(BlobType, BlobId)| {
        read.is_some_and(|indexed| checked_blob(indexed, root, *blob, *kind).is_err())
    };
    let bad: Vec<_> = blobs.iter().filter(is_bad).copied().collect();
    store.forget_cached(&file);
    (what.is_some() || !bad.is_empty()).then_some(Finding { id: *id, what, bad })
}
