//! Packs of which a read failed. Each has a file in Landfall's folder of the repository, which is durable before the failure is
//! reported, and which needs no lock. The next backup of all data looks at them before it relies on any: see `mend.rs`.

use std::path::{Path, PathBuf};

use rustic_core::Id;

use crate::error::{BackupError, Result};
use crate::ledger;
use crate::store::Store;

/// What their names begin with; the name of the pack follows.
const PREFIX: &str = "suspect-";

/// Notes that a read of this pack failed. One that cannot be noted is found by the next check.
pub(crate) fn note(store: &dyn Store, pack: &Id) {
    // Of a place that no longer answers, nothing is known.
    if store.failure().is_some() {
        return;
    }
    if let Err(error) = store.write(&file_of(pack), b"a read failed\n") {
        tracing::warn!(pack = %pack.to_hex().as_str(), %error, "a pack that cannot be read is not noted");
    }
}

/// Every pack that was noted.
pub(crate) fn listed(store: &dyn Store) -> Result<Vec<Id>> {
    let named = store.list(ledger::FOLDER);
    let named = named.map_err(|error| BackupError::io("list", &store.place().join(ledger::FOLDER), error))?;
    Ok(named.iter().filter_map(|(name, _)| name.strip_prefix(PREFIX)?.parse().ok()).collect())
}

/// Forgets a pack; it is on the disk when this returns.
pub(crate) fn forget(store: &dyn Store, pack: &Id) -> Result<()> {
    store.remove(&file_of(pack))
}

fn file_of(pack: &Id) -> PathBuf {
    Path::new(ledger::FOLDER).join(format!("{PREFIX}{}", pack.to_hex().as_str()))
}
