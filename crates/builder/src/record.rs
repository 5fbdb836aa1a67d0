//! Records next to the blobs of a content store: results of reading a blob, so that it is not read again.

use std::io;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_media::durable;
use landfall_media::store::ContentStore;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{BuildError, Result};

/// Path of the record with this name, in the folder for one kind of records.
pub fn path(store: &ContentStore, folder: &str, name: Sha256) -> PathBuf {
    let hex = name.to_hex();
    store.root().join("landfall").join(folder).join(&hex[..2]).join(hex)
}

/// Folders of records that are named after their blob.
const OF_BLOBS: [&str; 5] = ["archives", "inventories", "layers", "listings", "unpacked"];

/// Removes every record about a blob.
///
/// # Errors
///
/// Fails if one cannot be removed.
pub fn forget(store: &ContentStore, blob: Sha256) -> Result<()> {
    OF_BLOBS.iter().try_for_each(|folder| Ok(durable::remove_file(&path(store, folder, blob))?))
}

/// All records of one kind, without those that this version does not understand.
///
/// # Errors
///
/// Fails if they cannot be listed.
pub fn all<T: DeserializeOwned>(store: &ContentStore, folder: &str) -> Result<Vec<T>> {
    let mut found = Vec::new();
    for group in list_paths(&store.root().join("landfall").join(folder))? {
        found.extend(list_paths(&group)?.iter().filter_map(|path| read(path)));
    }
    Ok(found)
}

/// Paths in a folder; empty if it is missing.
fn list_paths(folder: &Path) -> Result<Vec<PathBuf>> {
    let unlisted = |error: io::Error| {
        BuildError::new(codes::BUILD_INTERRUPTED, "records of the content store cannot be listed").because(error)
    };
    let entries = match fs_err::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unlisted)?,
    };
    entries.map(|entry| Ok(entry.map_err(unlisted)?.path())).collect()
}

/// Reads a record; `None` if it is missing or cannot be parsed. The caller checks its type.
pub fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs_err::read(path).ok()?).ok()
}

/// Writes or replaces a record, synced. `noun` is its name in messages.
///
/// # Errors
///
/// Fails if it cannot be written.
pub fn write(path: &Path, record: &impl Serialize, noun: &str) -> Result<()> {
    let bytes = serde_json::to_vec(record)
        .map_err(|error| BuildError::new(codes::BUG, format!("{noun} has no JSON form")).because(error))?;
    if let Some(folder) = path.parent() {
        durable::create_folder(folder)?;
    }
    durable::write_file(path, &bytes, 0o644)?;
    Ok(())
}
