//! Records beside the blobs of a content store: what was found by reading a blob, so that it is not read again for that.

use std::io;
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

/// The folders of records whose name is the blob that they are about.
const OF_BLOBS: [&str; 5] = ["archives", "inventories", "layers", "listings", "unpacked"];

/// Removes every record about a blob.
///
/// # Errors
///
/// Where one cannot be removed.
pub fn forget(store: &ContentStore, blob: Sha256) -> Result<()> {
    OF_BLOBS.iter().try_for_each(|folder| Ok(durable::remove_file(&path(store, folder, blob))?))
}

/// All records of one kind, without those that this version does not understand.
///
/// # Errors
///
/// Where they cannot be listed.
pub fn all<T: DeserializeOwned>(store: &ContentStore, folder: &str) -> Result<Vec<T>> {
    let mut found = Vec::new();
    for group in listed(&store.root().join("landfall").join(folder))? {
        found.extend(listed(&group)?.iter().filter_map(|path| read(path)));
    }
    Ok(found)
}

/// The paths in a folder; a missing one has none.
fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let unlisted = |error: io::Error| {
        BuildError::new(codes::BUILD_INTERRUPTED, "records of the content store cannot be listed").because(error)
    };
    let entries = match fs_err::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unlisted)?,
    };
    entries.map(|entry| Ok(entry.map_err(unlisted)?.path())).collect()
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
