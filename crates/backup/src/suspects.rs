//! Packs with failed reads. Each has a file in Landfall's folder of the repository, which is durable before the failure
//! is reported, and which needs no lock. The next backup of all data examines them before it relies on any: see
//! `mend.rs`.

use std::path::{Path, PathBuf};

use rustic_core::Id;

use crate::error::{BackupError, Result};
use crate::layout::OWN_FOLDER;
use crate::store::Store;

/// Prefix of their names; the name of the pack follows.
const PREFIX: &str = "suspect-";

/// Records that a read of this pack failed. If that fails, the next check finds the pack.
pub(crate) fn note(store: &dyn Store, pack: &Id) {
    // Nothing is known about a place that no longer answers.
    if store.failure().is_some() {
        return;
    }
    if let Err(error) = store.write(&file_of(pack), b"a read failed\n") {
        tracing::warn!(pack = %pack.to_hex().as_str(), %error, "a pack that cannot be read is not noted");
    }
}

/// Returns every recorded pack.
pub(crate) fn list(store: &dyn Store) -> Result<Vec<Id>> {
    let named = store.list(OWN_FOLDER);
    let named = named.map_err(|error| BackupError::io("list", &store.place().join(OWN_FOLDER), error))?;
    Ok(named.iter().filter_map(|(name, _)| name.strip_prefix(PREFIX)?.parse().ok()).collect())
}

/// Removes the record of a pack, durably.
pub(crate) fn forget(store: &dyn Store, pack: &Id) -> Result<()> {
    store.remove(&file_of(pack))
}

fn file_of(pack: &Id) -> PathBuf {
    Path::new(OWN_FOLDER).join(format!("{PREFIX}{}", pack.to_hex().as_str()))
}
