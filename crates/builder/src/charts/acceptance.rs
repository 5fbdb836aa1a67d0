//! Charts that rendering refuses or accepts, and their blobs in the content store.

use landfall_media::store::ContentStore;

use super::Charts;
use crate::acceptance::{accept_blobs, after_chart};
use crate::error::{BuildError, Result};

/// Like [`after_chart`], for an error that names the refused chart.
pub fn after_rendering(store: &ContentStore, charts: &Charts, error: BuildError) -> BuildError {
    let Some(refused) = error.refused_reference().and_then(|refused| charts.blobs(refused)) else { return error };
    let mut own = refused.clone();
    for (_, blobs) in charts.pinned_blobs().filter(|(_, blobs)| *blobs != refused) {
        own.retain(|blob| !blobs.contains(blob));
    }
    after_chart(store, &own, error)
}

/// Records the charts of a rendered release as accepted. The records are synced. Archives next to the lock are not in
/// the store.
///
/// # Errors
///
/// Fails if a record cannot be written.
pub fn accept_charts(store: &ContentStore, charts: &Charts) -> Result<()> {
    let mut fetched = charts.pinned_blobs().filter(|(_, blobs)| !blobs.is_empty());
    fetched.try_for_each(|(digest, blobs)| accept_blobs(store, digest, || blobs.clone()))
}
