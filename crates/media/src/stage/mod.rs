//! Staging: copies a bundle from its media to the site's content store in one pass.

use std::collections::HashSet;

use crate::bundle::BundleMedia;
use crate::copy::{CopyTotals, copy};
use crate::durable;
use crate::error::{MediaError, Result};
use crate::parts::available_bytes;
use crate::payload::Payload;
use crate::progress::{Event, Progress};
use crate::sink::StoreSink;
use crate::source::BundleSource;
use crate::store::ContentStore;
use crate::verify::rotten_blobs;

/// Copies every blob of the bundle that the store lacks. Each chunk is checked before it is written. Existing blobs are
/// read from the disk and compared with their signed values; a rotten one is copied again. For a blob that an earlier
/// run left unfinished, only the rest is copied. On return, all blobs are on the disk and the media is no longer
/// needed. Damage on the media stops the call, and good blobs stay. Waits for another process that stages into the same
/// store.
pub fn stage(media: &BundleMedia, store: &ContentStore, progress: &dyn Progress) -> Result<CopyTotals> {
    durable::create_folder(store.root())?;
    let _turn = store.wait_for_turn(progress)?;
    check_held(media, store)?;
    doubt_rotten(media, store, progress)?;
    check_space(media, store)?;
    let mut source = BundleSource::new(media);
    let mut sink = StoreSink::new(store.clone(), media.payload().clone());
    copy(&mut source, &mut sink, "staging", progress)
}

/// Bytes of the bundle's blobs that the store lacks. [`stage`] will write this many, less the bytes that unfinished
/// blobs save.
pub fn lacking_bytes(media: &BundleMedia, store: &ContentStore) -> u64 {
    lacking(media.payload(), store).map(|blob| media.payload().blob(blob).size).sum()
}

fn lacking(payload: &Payload, store: &ContentStore) -> impl Iterator<Item = usize> {
    let mut seen = HashSet::new();
    let is_first = move |blob: &usize| seen.insert(payload.blob(*blob).sha256);
    (0..payload.blobs().len()).filter(is_first).filter(|blob| !store.holds(payload, *blob))
}

/// Returns an error, before the first byte is copied, if a blob is neither in the delta nor in the store.
pub fn check_held(media: &BundleMedia, store: &ContentStore) -> Result<()> {
    let payload = media.payload();
    if media.contents().are_whole(payload) {
        return Ok(());
    }
    refuse_unless_carried(media, lacking(payload, store))
}

/// Returns an error unless the media has all of these blobs, which the store lacks.
fn refuse_unless_carried(media: &BundleMedia, lacking: impl IntoIterator<Item = usize>) -> Result<()> {
    let payload = media.payload();
    let nowhere: Vec<_> = lacking.into_iter().filter(|blob| !media.contents().has(*blob)).collect();
    let Some(first) = nowhere.first() else { return Ok(()) };
    let path = media.parts().first().map(|part| part.path.clone()).unwrap_or_default();
    let bytes = nowhere.iter().map(|blob| payload.blob(*blob).size).sum();
    Err(MediaError::DeltaUnfit { path, blobs: nowhere.len(), bytes, first: payload.blob(*first).sha256 })
}

/// Reads the blobs that the store holds. Those that differ from what was signed no longer count as held. Returns an
/// error if the media lacks one of them.
fn doubt_rotten(media: &BundleMedia, store: &ContentStore, progress: &dyn Progress) -> Result<()> {
    let payload = media.payload();
    let rotten = rotten_blobs(payload, store, "checking what is staged already", progress)?;
    if rotten.is_empty() {
        return Ok(());
    }
    refuse_unless_carried(media, rotten.iter().copied())?;
    for blob in &rotten {
        store.doubt(payload.blob(*blob).sha256)?;
    }
    let text = format!("blobs in {} that are damaged and copied again: {}", store.root().display(), rotten.len());
    progress.event(Event::Note(text));
    Ok(())
}

/// Returns an error, before the first byte is copied, if the bundle does not fit into the store. Space that unfinished
/// blobs already occupy counts as available.
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
