//! A snapshot becomes the database of an empty data folder: wholly, or not at all.

use std::io::{Read, Write as _};
use std::path::Path;
use std::sync::Arc;

use landfall_error_codes::codes;
use landfall_media::durable;

use super::inspect::inspect;
use super::{FILE, Storage, file, server, sqlite};
use crate::audit::Chain;
use crate::error::{Context as _, Error, Result};

/// Largest snapshot that is read, in bytes. An audit log of ten million entries is smaller.
const LIMIT: u64 = 8 << 30;

/// What of a snapshot does not come back: sessions end, and no approval waits.
const FORGOTTEN: [&str; 2] = ["DELETE FROM sessions", "DELETE FROM approvals"];

/// Reads a snapshot from `input` into a folder without a database. Sessions of the snapshot end, and no approval of it waits. When it returns, the database
/// is on the disk under its name. Returns whether its audit log is whole.
///
/// A server's database has it in the place of what it held. That is kept beside it, in a schema of its own.
pub async fn load(folder: &Path, storage: &Storage, input: &mut impl Read) -> Result<Chain> {
    let path = file(folder);
    // Of a database that is gone, SQLite's own files beside it would be mixed into the new one.
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

/// The snapshot is inspected as a file, and only then is the server asked.
async fn send(arriving: &Path, settings: &Arc<server::Settings>, input: &mut impl Read) -> Result<Chain> {
    receive(arriving, input)?;
    let chain = inspect(arriving).await?;
    sqlite::bring_up(arriving, &FORGOTTEN).await?;
    server::fill(settings, arriving).await?;
    Ok(chain)
}

/// Removes what an unfinished load left, with the files that SQLite puts beside it.
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
