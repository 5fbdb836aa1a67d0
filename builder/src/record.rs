//! Records beside the blobs of a content store: what was found by reading a blob, so that it is not read again for that.

use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_media::durable;
use landfall_media::store::ContentStore;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{BuildError, Result};

/// Where a store has the record of this name, in the folder of one kind of records.
pub fn path(store: &ContentStore, folder: &str, name: Sha256) -> PathBuf {
    let hex = name.to_hex();
    store.root().join("landfall").join(folder).join(&hex[..2]).join(hex)
}

/// The record in a file; none where there is none, or none that this version understands. The type is left to the caller.
pub fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs_err::read(path).ok()?).ok()
}

/// Writes a record, synced, in place of the one that is there. `noun` is what a message calls it.
///
/// # Errors
///
/// Where it cannot be written.
pub fn write(path: &Path, record: &impl Serialize, noun: &str) -> Result<()> {
    let bytes = serde_json::to_vec(record)
        .map_err(|error| BuildError::new(codes::BUG, format!("{noun} has no JSON form")).because(error))?;
    if let Some(folder) = path.parent() {
        durable::create_folder(folder)?;
    }
    durable::write_file(path, &bytes, 0o644)?;
    Ok(())
}
