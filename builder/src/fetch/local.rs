//! Files of this machine into the content store.

use std::path::Path;

use landfall_error_codes::codes;
use landfall_media::MediaError;
use landfall_media::store::{ContentStore, Expected};

use crate::error::{BuildError, Result};

/// Reads a file that the lock pins. On return it is in the store and on the disk.
///
/// # Errors
///
/// `FOLDER_UNFIT` where it cannot be read, `FETCH_MISMATCH` where it has other bytes than are pinned: nothing of it is kept.
pub(super) async fn fetch_local(path: &Path, blob: Expected, store: &ContentStore) -> Result<()> {
    let (store, path) = (store.clone(), path.to_owned());
    let ingested = tokio::task::spawn_blocking(move || ingest(&path, blob, &store)).await;
    ingested.map_err(|error| BuildError::new(codes::BUG, "a thread that reads a file died").because(error))?
}

fn ingest(path: &Path, blob: Expected, store: &ContentStore) -> Result<()> {
    let unread = |error: std::io::Error| {
        BuildError::new(codes::FOLDER_UNFIT, format!("{} cannot be read", path.display())).because(error)
    };
    let mut file = fs_err::File::open(path).map_err(unread)?;
    match store.ingest(&mut file, Some(blob)) {
        Ok(_) => Ok(()),
        Err(error @ MediaError::BlobMismatch { .. }) => {
            let what = format!("{} is not the file that the lock pins", path.display());
            Err(BuildError::new(codes::FETCH_MISMATCH, what).because(error))
        }
        Err(error) => Err(error.into()),
    }
}
