//! Loading of a snapshot as the database of an empty data folder: completely, or not at all.

use std::io::{Read, Write as _};
use std::path::Path;
use std::sync::Arc;

use landfall_error_codes::codes;
use landfall_media::durable;

use super::inspect::inspect;
use super::{FILE, Storage, file, server, sqlite};
use crate::entries::Chain;
use crate::error::{Context as _, Error, Result};

/// Maximum size of a snapshot in bytes. An audit log of ten million entries is smaller.
const LIMIT: u64 = 8 << 30;

/// Statements that remove what a snapshot does not restore: sessions and waiting approvals.
const FORGOTTEN: [&str; 2] = ["DELETE FROM sessions", "DELETE FROM approvals"];

/// Loads a snapshot from `input` into a folder without a database, durably. Removes its sessions and waiting approvals.
/// Returns the state of its audit log.
///
/// A server's database gets it in place of its former content, which is kept in a separate schema.
pub async fn load(folder: &Path, storage: &Storage, input: &mut impl Read) -> Result<Chain> {
    let path = file(folder);
    // SQLite's companion files of a removed database would be mixed into the new one.
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let path = folder.join(format!("{FILE}{suffix}"));
        if path.symlink_metadata().is_ok() {
            return Err(Error::new(codes::APPLIANCE_DATA_OCCUPIED, format!("{} exists", path.display())));
        }
    }
    let arriving = folder.join(format!("{FILE}.loading"));
    clear(folder)?;
    let loaded = match storage {
        Storage::File => place(&arriving, &path, input).await,
        Storage::Server(settings) => send(&arriving, settings, input).await,
    };
    if loaded.is_err() || matches!(storage, Storage::Server(_)) {
        clear(folder)?;
    }
    loaded
}

/// Loads a snapshot into a server, which is contacted only after the snapshot was inspected as a file.
async fn send(arriving: &Path, settings: &Arc<server::Settings>, input: &mut impl Read) -> Result<Chain> {
    receive(arriving, input)?;
    let chain = inspect(arriving).await?;
    sqlite::bring_up(arriving, &FORGOTTEN).await?;
    server::fill(settings, arriving).await?;
    Ok(chain)
}

/// Removes the leftovers of an unfinished load, including SQLite's companion files.
fn clear(folder: &Path) -> Result<()> {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let leftover = folder.join(format!("{FILE}.loading{suffix}"));
        let failed = || format!("{} cannot be removed", leftover.display());
        durable::remove_file(&leftover).context(codes::APPLIANCE_DATABASE, failed)?;
    }
    Ok(())
}

async fn place(arriving: &Path, path: &Path, input: &mut impl Read) -> Result<Chain> {
    receive(arriving, input)?;
    let chain = inspect(arriving).await?;
    sqlite::bring_up(arriving, &FORGOTTEN).await?;
    let failed = || format!("{} cannot be made", path.display());
    let written = fs_err::File::open(arriving).context(codes::APPLIANCE_DATABASE, failed)?;
    durable::sync_file(written.file(), arriving).context(codes::APPLIANCE_DATABASE, failed)?;
    durable::rename(arriving, path).context(codes::APPLIANCE_DATABASE, failed)?;
    Ok(chain)
}

fn receive(arriving: &Path, input: &mut impl Read) -> Result<()> {
    let failed = || "the snapshot cannot be read in".to_owned();
    let mut target = durable::create_file(arriving, 0o600).context(codes::APPLIANCE_DATABASE, failed)?;
    let length = std::io::copy(&mut input.take(LIMIT + 1), &mut target).context(codes::APPLIANCE_DATABASE, failed)?;
    if length == 0 || length > LIMIT {
        let why = if length == 0 { "is empty".to_owned() } else { format!("is larger than {LIMIT} bytes") };
        return Err(Error::new(codes::APPLIANCE_SNAPSHOT, format!("the snapshot {why}")));
    }
    target.flush().context(codes::APPLIANCE_DATABASE, failed)?;
    durable::sync_file(&target, arriving).context(codes::APPLIANCE_DATABASE, failed)
}
