//! SQLite in one file of the data folder: its opening, and the handling of a damaged one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_error_codes::{CodedError as _, codes};
use landfall_media::durable::DurableError;
use rustix::fs::{Access, access};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Pool, damage, migrations, save};
use crate::error::{Context as _, Error, Result};
use crate::queries::code_of;

/// Name of the database's file in the data folder.
pub const FILE: &str = "console.db";
/// Application ID in the file's header: `LFCN`.
pub const APPLICATION_ID: i64 = 0x4c46_434e;
/// Time that a statement waits for another process, such as one that saves a snapshot.
pub const BUSY: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// Number of concurrent reading connections; each uses about 100 KiB.
pub const READERS: u32 = 4;

/// An open file: its pools for writing and reading, and the damage of the previous file, if any.
pub struct SqlitePools {
    pub writer: Pool,
    pub readers: Pool,
    pub damage: Option<String>,
}

/// Returns the database's file in a data folder.
pub fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Returns the options of every connection. Each commit reaches the disk before it returns. The journal mode is not
/// changed.
pub fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .synchronous(SqliteSynchronous::Full)
        .pragma("trusted_schema", "OFF")
        .pragma("secure_delete", "ON")
        .pragma("cache_size", "-1024")
}

/// Returns a pool of at most this many connections, each of which lasts as long as the pool. A file does not need new
/// ones, and sqlx 0.9.0 looks for old ones with a count that may wrap around. Its task then keeps a processor busy
/// forever, and tasks on the same thread do not continue (sqlx, issue 3645).
///
/// On a full disk SQLite itself ends a transaction, while sqlx still counts it as open: such a connection is replaced.
fn pool(connections: u32) -> SqlitePoolOptions {
    let lasting = SqlitePoolOptions::new().max_connections(connections).idle_timeout(None).max_lifetime(None);
    lasting.before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
}

/// Opens the database of a data folder, creates it if necessary, and upgrades it to this version's schema.
pub async fn open(folder: &Path) -> Result<SqlitePools> {
    save::remove_leftovers(folder)?;
    damage::complete(folder)?;
    let damage = keep_if_damaged(folder).await?;
    let path = file(folder);
    if !path.exists() {
        landfall_media::durable::create_file(&path, 0o600).map_err(|error| not_made(&path, error))?;
    }
    let writer = connect(&path, options(&path).journal_mode(SqliteJournalMode::Wal)).await?;
    migrations::up(&writer).await?;
    let readers = pool(READERS).connect_lazy_with(options(&path).read_only(true));
    Ok(SqlitePools { writer: Pool::Sqlite(writer), readers: Pool::Sqlite(readers), damage })
}

/// Opens the database of a data folder with a connection that cannot write. Never creates one.
pub async fn open_to_read(folder: &Path) -> Result<Pool> {
    let path = file(folder);
    check_access(&path, Access::READ_OK)?;
    Ok(Pool::Sqlite(connect(&path, options(&path).read_only(true)).await?))
}

fn not_made(path: &Path, error: DurableError) -> Error {
    let is_full = error.code() == codes::NO_SPACE;
    let code = if is_full { codes::APPLIANCE_DATABASE_FULL } else { codes::APPLIANCE_DATABASE };
    Error::new(code, format!("{} cannot be made", path.display())).because(error)
}

/// Returns an error if a database is missing, or if this process may not use it. SQLite has one result for that and for
/// a full disk.
fn check_access(path: &Path, wanted: Access) -> Result<()> {
    access(path, wanted).context(codes::APPLIANCE_DATABASE, || format!("{} cannot be used", path.display()))
}

/// Returns a pool with one open connection to a file.
async fn connect(path: &Path, options: SqliteConnectOptions) -> Result<SqlitePool> {
    let failed =
        |error: sqlx::Error| Error::new(code_of(&error), format!("{} cannot be opened", path.display())).because(error);
    pool(1).connect_with(options).await.map_err(failed)
}

/// Renames a damaged database, and returns the damage.
async fn keep_if_damaged(folder: &Path) -> Result<Option<String>> {
    let path = file(folder);
    if !path.exists() {
        return Ok(None);
    }
    check_access(&path, Access::READ_OK | Access::WRITE_OK)?;
    let Some(why) = damage::damage_of_file(&path).await? else { return Ok(None) };
    let aside = damage::set_aside(folder)?;
    let code = codes::APPLIANCE_DATABASE_DAMAGED.id;
    tracing::error!(
        code,
        why,
        kept = aside.name,
        "the database is damaged; it is kept, and a new one begins without people"
    );
    Ok(Some(why))
}

/// Upgrades a file that nothing else uses to this version's schema, and then executes statements. The file is closed on
/// return.
pub async fn bring_up(path: &Path, after: &[&'static str]) -> Result<()> {
    let pool = pool(1).connect_with(options(path).journal_mode(SqliteJournalMode::Delete)).await?;
    migrations::up(&pool).await?;
    for sql in after {
        sqlx::query(*sql).execute(&pool).await?;
    }
    pool.close().await;
    Ok(())
}

/// Creates a file with this schema, which nothing else uses. On success it is open for writing.
pub async fn make(path: &Path, version: i64) -> Result<sqlx::SqliteConnection> {
    let failed = || format!("{} cannot be made", path.display());
    landfall_media::durable::create_file(path, 0o600).context(codes::APPLIANCE_DATABASE, failed)?;
    let options = options(path).journal_mode(SqliteJournalMode::Delete);
    let mut connection = options.connect().await.context(codes::APPLIANCE_DATABASE, failed)?;
    let made = migrations::migrator().run_to(version, &mut connection).await;
    made.context(codes::APPLIANCE_DATABASE, failed)?;
    let owner = sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION_ID}"));
    sqlx::query(owner).execute(&mut connection).await?;
    Ok(connection)
}
