//! Reading packs: each once from the disk, its bytes compared with its name, then each of its blobs decrypted and compared
//! with its id.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

use landfall_progress::{Event, Progress};
use rustic_core::repofile::{BlobType, IndexFile, IndexPack};
use rustic_core::{BlobId, FileType, Id};

use super::damage::{Part, What};
use super::survey::{Survey, state};
use crate::error::Result;
use crate::folder::Folder;
use crate::library::{self, Indexed};
use crate::read::checked_blob;
use crate::store::Store;

/// Packs that are read at a time, at most: a check leaves processors to running software.
const WORKERS: usize = 4;

/// Blobs that cannot be read, each with the file of its pack.
pub(super) type BadBlobs = HashMap<(BlobType, BlobId), PathBuf>;

/// A pack as index files describe it.
#[derive(Debug, Clone)]
pub(super) struct Described {
    pub id: Id,
    /// None, if no index file names the pack.
    pub blobs: Vec<(BlobType, BlobId)>,
}

/// How a pack is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Its bytes are compared with its name. Blobs are read only if these differ.
    Bytes,
    /// Each blob is decrypted, too.
    Blobs,
}

/// What is wrong with a pack.
struct Finding {
    id: Id,
    what: Option<What>,
    bad: Vec<(BlobType, BlobId)>,
}

/// Reads these packs, and notes the damaged ones. Without an index, their blobs are not known.
pub(super) fn check(
    indexed: Option<&Indexed>,
    packs: &[Described],
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
        let file = Folder::relative(FileType::Pack, &id);
        all_bad.extend(bad.into_iter().map(|blob| (blob, file.clone())));
        survey.note(Part::Pack, file, what.unwrap_or(What::Invalid));
    }
    all_bad
}

/// Every pack that exists or that an index file names, in the order of their ids.
pub(super) fn described(indexed: &Indexed, survey: &Survey) -> Result<Vec<Described>> {
    let unread = |error| library::damage(survey.store.place(), "an index file cannot be read", error);
    let mut packs: BTreeMap<Id, Vec<(BlobType, BlobId)>> =
        survey.packs.iter().map(|(id, _)| (*id, Vec::new())).collect();
    for read in indexed.stream_files::<IndexFile>().map_err(unread)? {
        let (_, index) = read.map_err(unread)?;
        for IndexPack { id, blobs, .. } in index.packs {
            packs.entry(*id).or_default().extend(blobs.into_iter().map(|blob| (blob.tpe, blob.id)));
        }
        // The library does not find blobs of packs that a prune has marked; the packs must still be whole.
        for IndexPack { id, .. } in index.packs_to_delete {
            packs.entry(*id).or_default();
        }
    }
    Ok(packs.into_iter().map(|(id, blobs)| Described { id, blobs }).collect())
}

fn examine(
    indexed: Option<&Indexed>,
    store: &dyn Store,
    Described { id, blobs }: &Described,
    depth: Depth,
    progress: &dyn Progress,
) -> Option<Finding> {
    let (root, file) = (store.place(), Folder::relative(FileType::Pack, id));
    let what = state(store, &file, id, &mut |bytes| progress.event(Event::Advanced { bytes }));
    // Blobs of a damaged pack may be whole, and those of a missing one may be in another pack.
    let read = indexed.filter(|_| depth == Depth::Blobs || what.is_some());
    let is_bad = |(kind, blob): &&(BlobType, BlobId)| {
        read.is_some_and(|indexed| checked_blob(indexed, root, *blob, *kind).is_err())
    };
    let bad: Vec<_> = blobs.iter().filter(is_bad).copied().collect();
    store.forget_cached(&file);
    (what.is_some() || !bad.is_empty()).then_some(Finding { id: *id, what, bad })
}
