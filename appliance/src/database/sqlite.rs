//! SQLite in one file of the data folder: how it is opened, and what becomes of a damaged one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_error_codes::{Coded as _, codes};
use landfall_media::durable::DurableError;
use rustix::fs::{Access, access};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Pool, code_of, damage, migrations, save};
use crate::error::{Context as _, Error, Result};

/// Name of the database's file in the data folder.
pub const FILE: &str = "console.db";
/// What SQLite stores in the file's header as the owner: `LFCN`.
pub const APPLICATION_ID: i64 = 0x4c46_434e;
/// How long a statement waits for another process, such as one that saves a snapshot.
pub const BUSY: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// Connections that read at once; each costs about 100 KiB.
pub const READERS: u32 = 4;

/// An opened file: what writes, what reads, and why the one before it is damaged, if one is.
pub struct Opened {
    pub writer: Pool,
    pub readers: Pool,
    pub damage: Option<String>,
}

/// The database's file in a data folder.
pub fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// How every connection is opened. Each commit reaches the disk before it returns. The mode of the journal stays as it is.
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

/// A pool of at most so many connections, each of which lasts as long as the pool. A file has no use for new ones, and sqlx 0.9.0
/// looks for old ones with a count that may wrap around: its task then keeps a processor busy without end, and tasks that wait for the
/// same thread do not continue (sqlx, issue 3645).
///
/// On a full disk SQLite ends a transaction by itself, and sqlx still counts it as open: such a connection is replaced.
fn pool(connections: u32) -> SqlitePoolOptions {
    let lasting = SqlitePoolOptions::new().max_connections(connections).idle_timeout(None).max_lifetime(None);
    lasting.before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
}

/// Opens the database of a data folder, makes it if there is none, and brings it to this version's schema.
pub async fn open(folder: &Path) -> Result<Opened> {
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
    Ok(Opened { writer: Pool::Sqlite(writer), readers: Pool::Sqlite(readers), damage })
}

/// A connection to the database of a data folder that cannot write. Makes none.
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

/// Refuses a database that is missing, or that this process may not use. SQLite has one result for that and for a full disk.
fn check_access(path: &Path, wanted: Access) -> Result<()> {
    access(path, wanted).context(codes::APPLIANCE_DATABASE, || format!("{} cannot be used", path.display()))
}

/// A pool of one connection to a file, which is open when this returns.
async fn connect(path: &Path, options: SqliteConnectOptions) -> Result<SqlitePool> {
    let failed =
        |error: sqlx::Error| Error::new(code_of(&error), format!("{} cannot be opened", path.display())).because(error);
    pool(1).connect_with(options).await.map_err(failed)
}

/// Gives a damaged database another name, and says why it is damaged.
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

/// Brings a file that nothing else uses to this version's schema, and then executes statements. It is closed when this returns.
pub async fn bring_up(path: &Path, after: &[&'static str]) -> Result<()> {
    let pool = pool(1).connect_with(options(path).journal_mode(SqliteJournalMode::Delete)).await?;
    migrations::up(&pool).await?;
    for sql in after {
        sqlx::query(*sql).execute(&pool).await?;
    }
    pool.close().await;
    Ok(())
}

/// Makes a file with this schema, which nothing else uses. On success it is open for writing.
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
