//! The database of the appliance: people, keys and the audit log. SQLite in one file of the data folder.
//!
//! What the database holds is not truth about the site; that is the host's. The SQL stays portable, but for what is in this
//! folder.

mod check;
mod inspect;
mod load;
mod migrations;
mod save;

use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_error_codes::codes;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};

use crate::error::{Context as _, Result};

pub use check::check;
pub use load::load;
pub use save::save;

/// A transaction that may write.
pub type Write = Transaction<'static, Sqlite>;

/// Name of the database's file in the data folder.
const FILE: &str = "console.db";
/// What SQLite stores in the file's header as the owner: `LFCN`.
const APPLICATION_ID: i64 = 0x4c46_434e;
/// How long a statement waits for another process, such as one that saves a snapshot.
const BUSY: Duration = Duration::from_secs(10);
/// Connections that read at once; each costs about 100 KiB.
const READERS: u32 = 4;

/// The open database: one connection that writes, so that writers queue, and a few that read.
#[derive(Debug, Clone)]
pub struct Database {
    writer: SqlitePool,
    readers: SqlitePool,
}

/// The database's file in a data folder.
fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
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
/// looks for old ones with a count that may wrap around: its task then takes a processor for ever, and tasks that wait for the
/// same thread do not continue (sqlx, issue 3645).
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(connections).idle_timeout(None).max_lifetime(None)
}

impl Database {
    /// Opens the database of a data folder, makes it if there is none, and brings it to this version's schema.
    pub async fn open(folder: &Path) -> Result<Self> {
        let path = file(folder);
        save::remove_leftovers(folder)?;
        if !path.exists() {
            let failed = || format!("{} cannot be made", path.display());
            landfall_media::durable::create_file(&path, 0o600).context(codes::APPLIANCE_DATABASE, failed)?;
        }
        let failed = || format!("{} cannot be opened", path.display());
        let writer = pool(1)
            .connect_with(options(&path).journal_mode(SqliteJournalMode::Wal))
            .await
            .context(codes::APPLIANCE_DATABASE, failed)?;
        migrations::up(&writer).await?;
        let readers = pool(READERS).connect_lazy_with(options(&path).read_only(true));
        Ok(Self { writer, readers })
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
