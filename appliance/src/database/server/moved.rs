//! Move of a site's people and log to the server that it names. The content of the data folder's file moves to the
//! server's database, if that is unused.

use std::path::Path;

use jiff::Timestamp;
use landfall_error_codes::codes;
use landfall_media::durable;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgPool};

use super::transfer::{TABLES, copy_file};
use super::{Settings, write};
use crate::database::sqlite::{self, FILE};
use crate::database::{Connection, damage, query, query_scalar};
use crate::entries::{Author, Event, head, record};
use crate::error::{Context as _, Error, Result};

/// Text that follows the database's name in a moved file's name; the time in UTC follows it.
const MARK: &str = ".moved-";
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// Moves the content of the file, completely or not at all. The file is then renamed, and nothing reads it. If the
/// server's database has people or a log of another file, the file stays unchanged.
pub async fn take_file(folder: &Path, pool: &PgPool, settings: &Settings) -> Result<()> {
    let path = sqlite::file(folder);
    if !path.exists() {
        return Ok(());
    }
    let mut write = write(pool).await?;
    if !is_unused(&mut write).await? {
        if has_moved(&path, &mut write).await? {
            return rename(folder, settings);
        }
        tracing::warn!(file = %path.display(), "the server's database is in use: the file stays, and is not read");
        return Ok(());
    }
    if let Some(why) = damage::damage_of_file(&path).await? {
        let what = format!("{} is damaged, so that it cannot move to {}: {why}", path.display(), settings.server);
        return Err(Error::new(codes::APPLIANCE_DATABASE_DAMAGED, what));
    }
    sqlite::bring_up(&path, &[]).await?;
    for table in TABLES.iter().rev() {
        query(AssertSqlSafe(format!("DELETE FROM {}", table.name))).execute(&mut *write).await?;
    }
    copy_file(&path, &mut write).await?;
    let event = Event::done("database.move", "PostgreSQL").with(&settings.server);
    record(&mut write, &Author::console(), event).await?;
    write.commit().await?;
    rename(folder, settings)
}

/// Renames the file whose content has moved.
fn rename(folder: &Path, settings: &Settings) -> Result<()> {
    let path = sqlite::file(folder);
    let moved = folder.join(format!("{FILE}{MARK}{}", Timestamp::now().strftime(TIME)));
    let failed = || format!("{} cannot be kept as {}", path.display(), moved.display());
    durable::rename(&path, &moved).context(codes::APPLIANCE_DATABASE, failed)?;
    tracing::warn!(kept = %moved.display(), server = settings.server, "the data has moved into PostgreSQL");
    Ok(())
}

/// Returns true if the server's log has the last entry of the file's log, which means that the move was interrupted
/// before the renaming. A file without entries, or an unreadable one, has not moved; nor has one with a write-ahead
/// log, because a move leaves none.
async fn has_moved(path: &Path, server: &mut Connection) -> Result<bool> {
    if path.with_file_name(format!("{FILE}-wal")).exists() {
        return Ok(false);
    }
    let Ok(opened) = sqlite::options(path).read_only(true).connect().await else { return Ok(false) };
    let mut file = Connection::to_file(opened);
    let last = head(&mut file).await;
    let _closed = file.close().await;
    let Ok(last) = last else { return Ok(false) };
    let hash = query_scalar("SELECT hash FROM audit WHERE number = $1").bind(last.number);
    let hash: Option<String> = hash.fetch_optional(server).await?;
    Ok(hash.is_some_and(|hash| hash == last.hash.to_string()))
}

/// Returns true if the database has no people and no log, after all current writers have ended.
pub async fn is_unused_now(pool: &PgPool) -> Result<bool> {
    let mut write = write(pool).await?;
    is_unused(&mut write).await
}

/// Returns true if the database has no people and no log.
async fn is_unused(connection: &mut Connection) -> Result<bool> {
    for count in ["SELECT count(*) FROM users", "SELECT count(*) FROM audit"] {
        let count: i64 = query_scalar(count).fetch_one(&mut *connection).await?;
        if count > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
