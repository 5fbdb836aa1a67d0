//! Reads local files into the content store.

use std::path::Path;

use landfall_bundle_spec::chunks::BlobSums;
use landfall_error_codes::codes;
use landfall_media::MediaError;
use landfall_media::store::{ContentStore, ExpectedBlob};

use crate::error::{BuildError, Result};

/// Reads a file; `pinned` is its pin, if there is one. On return it is in the store and synced to disk.
///
/// # Errors
///
/// `FOLDER_UNFIT` if it cannot be read, `FETCH_MISMATCH` if its content differs from the pin. In the latter case, none
/// of it is kept.
pub(crate) async fn read_local(path: &Path, pinned: Option<ExpectedBlob>, store: &ContentStore) -> Result<BlobSums> {
    let (store, path) = (store.clone(), path.to_owned());
    let ingested = tokio::task::spawn_blocking(move || ingest(&path, pinned, &store)).await;
    ingested.map_err(|error| BuildError::new(codes::BUG, "a thread that reads a file died").because(error))?
}

fn ingest(path: &Path, pinned: Option<ExpectedBlob>, store: &ContentStore) -> Result<BlobSums> {
    let unread = |error: std::io::Error| {
        BuildError::new(codes::FOLDER_UNFIT, format!("{} cannot be read", path.display())).because(error)
    };
    let mut file = fs_err::File::open(path).map_err(unread)?;
    store.ingest(&mut file, pinned).map_err(|error| match error {
        MediaError::BlobMismatch { .. } => {
            let what = format!("{} is not the file that the lock pins", path.display());
            BuildError::new(codes::FETCH_MISMATCH, what).because(error)
        }
        other => other.into(),
    })
}
