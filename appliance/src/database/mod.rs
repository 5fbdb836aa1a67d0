//! The database of the appliance: people, keys, the audit log, and the last 24 hours. SQLite in one file of the data folder.
//!
//! What the database holds is not truth about the site; that is the host's. The SQL stays portable, but for what is in this
//! folder.

mod check;
mod damage;
mod inspect;
mod load;
mod migrations;
mod save;
mod trouble;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use landfall_error_codes::codes;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Sqlite, Transaction};

use crate::audit::{Author, Event, head, record};
use crate::error::{Context as _, Error, Result};

pub use check::check;
pub use damage::{Aside, damage_of};
pub use load::load;
pub use save::save;
pub use trouble::code_of;

/// A transaction that may write.
pub type Write = Transaction<'static, Sqlite>;

/// Name of the database's file in the data folder.
const FILE: &str = "console.db";
/// What SQLite stores in the file's header as the owner: `LFCN`.
const APPLICATION_ID: i64 = 0x4c46_434e;
/// How long a statement waits for another process, such as one that saves a snapshot.
const BUSY: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// Connections that read at once; each costs about 100 KiB.
const READERS: u32 = 4;

/// The open database: one connection that writes, so that writers queue, and a few that read.
#[derive(Debug, Clone)]
pub struct Database {
    writer: SqlitePool,
    readers: SqlitePool,
    /// Damaged ones that are kept beside it, the newest first.
    aside: Arc<[Aside]>,
}

/// The database's file in a data folder.
fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Gives a damaged database another name, and says why it is damaged.
async fn keep_if_damaged(folder: &Path) -> Result<Option<String>> {
    let path = file(folder);
    if !path.exists() {
        return Ok(None);
    }
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

/// How every connection is opened. Each commit reaches the disk before it returns. The mode of the journal stays as it is.
fn options(path: &Path) -> SqliteConnectOptions {
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

impl Database {
    /// Opens the database of a data folder, makes it if there is none, and brings it to this version's schema. A damaged one is kept
    /// under another name, and a new one begins.
    pub async fn open(folder: &Path) -> Result<Self> {
        save::remove_leftovers(folder)?;
        damage::complete(folder)?;
        let found = keep_if_damaged(folder).await?;
        let path = file(folder);
        if !path.exists() {
            let failed = || format!("{} cannot be made", path.display());
            landfall_media::durable::create_file(&path, 0o600).context(codes::APPLIANCE_DATABASE, failed)?;
        }
        let writer = pool(1).connect_with(options(&path).journal_mode(SqliteJournalMode::Wal)).await;
        let failed = |error: sqlx::Error| {
            Error::new(code_of(&error), format!("{} cannot be opened", path.display())).because(error)
        };
        let writer = writer.map_err(failed)?;
        migrations::up(&writer).await?;
        let readers = pool(READERS).connect_lazy_with(options(&path).read_only(true));
        let opened = Self { writer, readers, aside: damage::kept(folder)?.into() };
        opened.record_loss(found.as_deref().unwrap_or("damaged")).await?;
        Ok(opened)
    }

    /// Records in a new database that it took the place of a damaged one, as its first entry: a log that begins again says so.
    async fn record_loss(&self, why: &str) -> Result<()> {
        let Some(lost) = self.aside.first() else { return Ok(()) };
        let mut write = self.write().await?;
        if head(&mut write).await?.number > 0 {
            return Ok(());
        }
        let author = Author { name: "-".to_owned(), from: "-".to_owned(), correlation: "-".to_owned() };
        record(&mut write, &author, Event::done("database.replace", &lost.name).with(why)).await?;
        Ok(write.commit().await?)
    }

    /// Damaged databases that are kept beside this one, the newest first.
    pub fn aside(&self) -> &[Aside] {
        &self.aside
    }

    /// Begins a transaction that may write; it waits for the one before it.
    pub async fn write(&self) -> Result<Write, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// Connections for reading.
    pub fn read(&self) -> &SqlitePool {
        &self.readers
    }

    /// Closes the database. The log of changes is then part of its file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[cfg(test)]
mod tests;
