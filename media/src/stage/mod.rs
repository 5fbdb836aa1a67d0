//! Staging: from a bundle on its media to the site's content store, in one pass.

use std::collections::HashSet;

use crate::bundle::BundleMedia;
use crate::copy::{Copied, copy};
use crate::durable;
use crate::error::{MediaError, Result};
use crate::parts::available_bytes;
use crate::payload::Payload;
use crate::progress::Progress;
use crate::sink::StoreSink;
use crate::source::BundleSource;
use crate::store::ContentStore;

/// Copies every blob of the bundle that the store lacks, checked chunk by chunk before it is written. Blobs that are
/// there are not read; of one that an earlier run left unfinished only the rest is. On return all blobs are on the disk
/// and the media is no longer needed. Damage stops it, and good blobs stay. Waits for another process that stages into
/// the same store.
pub fn stage(media: &BundleMedia, store: &ContentStore, progress: &dyn Progress) -> Result<Copied> {
    durable::create_folder(store.root())?;
    let _turn = store.wait_for_turn(progress)?;
    check_held(media, store)?;
    check_space(media, store)?;
    let mut source = BundleSource::new(media);
    let mut sink = StoreSink::new(store.clone(), media.payload().clone());
    copy(&mut source, &mut sink, "staging", progress)
}

/// Bytes of the bundle's blobs that the store lacks: what [`stage`] will write, except for bytes that an unfinished
/// blob saves.
pub fn lacking_bytes(media: &BundleMedia, store: &ContentStore) -> u64 {
    lacking(media.payload(), store).map(|blob| media.payload().blob(blob).size).sum()
}

fn lacking(payload: &Payload, store: &ContentStore) -> impl Iterator<Item = usize> {
    let mut seen = HashSet::new();
    let is_first = move |blob: &usize| seen.insert(payload.blob(*blob).sha256);
    (0..payload.blobs().len()).filter(is_first).filter(|blob| !store.holds(payload, *blob))
}

/// Refuses a delta that lacks a blob that the store lacks, too, before the first byte.
pub fn check_held(media: &BundleMedia, store: &ContentStore) -> Result<()> {
    let payload = media.payload();
    if media.contents().are_whole(payload) {
        return Ok(());
    }
    let nowhere: Vec<_> = lacking(payload, store).filter(|blob| !media.contents().has(*blob)).collect();
    let Some(first) = nowhere.first() else { return Ok(()) };
    let path = media.parts().first().map(|part| part.path.clone()).unwrap_or_default();
    let bytes = nowhere.iter().map(|blob| payload.blob(*blob).size).sum();
    Err(MediaError::DeltaUnfit { path, blobs: nowhere.len(), bytes, first: payload.blob(*first).sha256 })
}

/// Refuses a store that the bundle does not fit into, before the first byte. Space that unfinished blobs already occupy
/// counts as available.
fn check_space(media: &BundleMedia, store: &ContentStore) -> Result<()> {
    let payload = media.payload();
    let rest = |blob| payload.blob(blob).size.saturating_sub(store.staged_blocks(payload, blob));
    let needed: u64 = lacking(payload, store).map(rest).sum();
    durable::create_folder(store.root())?;
    let available = available_bytes(store.root())?;
    if available < needed {
        return Err(MediaError::NoSpace { folder: store.root().to_owned(), needed, available });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
