//! Staging: from a bundle on its media to the site's content store, in one pass.

use crate::bundle::BundleMedia;
use crate::copy::{Copied, copy};
use crate::error::Result;
use crate::progress::Progress;
use crate::sink::StoreSink;
use crate::source::BundleSource;
use crate::store::ContentStore;

/// Copies every blob of the bundle that the store lacks, checked chunk by chunk before it is written. Blobs that are
/// there are not read; of one that an earlier run left unfinished only the rest is.
///
/// On return all blobs are on the disk and the media is not needed any more. Damage stops it, and what was good stays.
pub fn stage(media: &BundleMedia, store: &ContentStore, progress: &dyn Progress) -> Result<Copied> {
    let mut source = BundleSource::new(media);
    let mut sink = StoreSink::new(store.clone(), media.payload().clone());
    copy(&mut source, &mut sink, "staging", progress)
}

/// Bytes of the bundle's blobs that the store lacks: what [`stage`] will write, but for what an unfinished blob saves.
pub fn lacking_bytes(media: &BundleMedia, store: &ContentStore) -> u64 {
    media.payload().blobs().iter().filter(|blob| !store.contains(blob.sha256)).map(|blob| blob.size).sum()
}

#[cfg(test)]
mod tests;
