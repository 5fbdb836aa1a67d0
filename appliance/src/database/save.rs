//! Consistent snapshot of the database while the server runs.

use std::io::Write;
use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use landfall_media::durable;
use sqlx::ConnectOptions as _;

use super::inspect::inspect;
use super::{FILE, Storage, file, options, server};
use crate::entries::Chain;
use crate::error::{Context as _, Error, Result};

/// Suffix of an unfinished snapshot's name; a process ID follows.
const SUFFIX: &str = ".saving-";

fn snapshot(folder: &Path) -> PathBuf {
    folder.join(format!("{FILE}{SUFFIX}{}", std::process::id()))
}

/// Writes a snapshot of a single moment to `output`, and returns the state of its audit log. The data folder
/// temporarily needs room for a second copy.
///
/// The snapshot of a server's database is also a file of SQLite, which can be loaded into either kind.
pub async fn save(folder: &Path, storage: &Storage, output: &mut impl Write) -> Result<Chain> {
    let path = file(folder);
    if matches!(storage, Storage::File) && !path.exists() {
        return Err(Error::new(codes::APPLIANCE_DATABASE, format!("{} does not exist", path.display())));
    }
    let target = snapshot(folder);
    let made = make(&path, &target, (storage, output)).await;
    let failed = || format!("{} cannot be removed", target.display());
    let removed = durable::remove_file(&target).context(codes::APPLIANCE_DATABASE, failed);
    made.and_then(|chain| removed.map(|()| chain))
}

/// Makes and inspects a snapshot before it leaves this program: one that cannot be loaded is not a backup.
async fn make(path: &Path, target: &Path, (storage, output): (&Storage, &mut impl Write)) -> Result<Chain> {
    match storage {
        Storage::File => write_snapshot(path, target).await?,
        Storage::Server(settings) => server::write_snapshot(settings, target).await?,
    }
    let chain = inspect(target).await?;
    copy_out(target, output)?;
    Ok(chain)
}

async fn write_snapshot(path: &Path, target: &Path) -> Result<()> {
    let failed = || format!("no snapshot of {} can be made", path.display());
    durable::create_file(target, 0o600).context(codes::APPLIANCE_DATABASE, failed)?;
    let mut connection = options(path).connect().await.context(codes::APPLIANCE_DATABASE, failed)?;
    let target = target.to_str().ok_or_else(|| Error::new(codes::APPLIANCE_DATABASE, failed()))?;
    sqlx::query("VACUUM INTO $1")
        .bind(target)
        .execute(&mut connection)
        .await
        .map(drop)
        .context(codes::APPLIANCE_DATABASE, failed)
}

fn copy_out(target: &Path, output: &mut impl Write) -> Result<()> {
    let failed = || "the snapshot cannot be written out".to_owned();
    let mut snapshot = fs_err::File::open(target).context(codes::APPLIANCE_DATABASE, failed)?;
    std::io::copy(&mut snapshot, output).context(codes::APPLIANCE_DATABASE, failed)?;
    output.flush().context(codes::APPLIANCE_DATABASE, failed)
}

/// Removes snapshots that a process left when it ended early. One that another process is writing stays readable to it.
pub fn remove_leftovers(folder: &Path) -> Result<()> {
    let failed = || format!("{} cannot be read", folder.display());
    for entry in fs_err::read_dir(folder).context(codes::APPLIANCE_DATABASE, failed)? {
        let entry = entry.context(codes::APPLIANCE_DATABASE, failed)?;
        if entry.file_name().to_string_lossy().starts_with(&format!("{FILE}{SUFFIX}")) {
            durable::remove_file(&entry.path()).context(codes::APPLIANCE_DATABASE, failed)?;
        }
    }
    Ok(())
}
