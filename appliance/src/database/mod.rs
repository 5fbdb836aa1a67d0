//! Database of the appliance: people, keys, the audit log, and the last 24 hours. SQLite in one file of the data
//! folder, unless the site names a PostgreSQL server.
//!
//! The database is not the source of truth about the site; the host is. SQL outside of this folder has the same meaning
//! in both databases.

mod check;
mod damage;
mod inspect;
mod load;
mod migrations;
mod reading;
mod save;
mod server;
mod sqlite;
mod storage;
mod trial;

use std::path::Path;
use std::sync::Arc;

use crate::entries::{Author, Event, head, record};
use crate::error::Result;

pub use crate::queries::{Connection, Pool, Row, Write, query, query_scalar};
pub use check::{Counts, check};
pub use damage::{SetAsideDatabase, damage_of};
pub use load::load;
pub use reading::ReadOnlyDatabase;
pub use save::save;
#[cfg(test)]
pub use server::fixture;
pub use storage::Storage;

use server::Relay;
use sqlite::{APPLICATION_ID, FILE, file, options};

#[cfg(test)]
use sqlite::BUSY;

/// The open database: one connection for writing, so that writers queue, and a few for reading.
#[derive(Debug, Clone)]
pub struct Database {
    writer: Pool,
    readers: Pool,
    /// Kept damaged databases, newest first.
    aside: Arc<[SetAsideDatabase]>,
    /// Relay of connections to a server; `None` for a file.
    relay: Option<Arc<Relay>>,
}

impl Database {
    /// Opens the database at the site's storage, creates it if necessary, and upgrades it to this version's schema.
    pub async fn open_in(folder: &Path, storage: &Storage) -> Result<Self> {
        match storage {
            Storage::File => Self::open(folder).await,
            Storage::Server(settings) => {
                let server::ServerPools { writer, readers, relay } = server::open(folder, settings).await?;
                Ok(Self { writer, readers, aside: Arc::from([]), relay: Some(Arc::new(relay)) })
            }
        }
    }

    /// Opens the file of a data folder. A damaged one is kept under another name, and a new one begins.
    pub async fn open(folder: &Path) -> Result<Self> {
        server::refuse_if_elsewhere(folder)?;
        let sqlite::SqlitePools { writer, readers, damage } = sqlite::open(folder).await?;
        let opened = Self { writer, readers, aside: damage::kept_databases(folder)?.into(), relay: None };
        opened.record_loss(damage.as_deref().unwrap_or("damaged")).await?;
        Ok(opened)
    }

    /// Records in a new database that it replaced a damaged one, as the first entry: this explains a log that begins
    /// again.
    async fn record_loss(&self, why: &str) -> Result<()> {
        let Some(lost) = self.aside.first() else { return Ok(()) };
        let mut write = self.write().await?;
        if head(&mut write).await?.number > 0 {
            return Ok(());
        }
        record(&mut write, &Author::console(), Event::done("database.replace", &lost.name).with(why)).await?;
        Ok(write.commit().await?)
    }

    /// Returns the kept damaged databases, newest first.
    pub fn kept_databases(&self) -> &[SetAsideDatabase] {
        &self.aside
    }

    /// Begins a transaction that may write, after the previous one of any process.
    pub async fn write(&self) -> Result<Write, sqlx::Error> {
        match &self.writer {
            Pool::Sqlite(pool) => Ok(Write::of_sqlite(pool.begin_with("BEGIN IMMEDIATE").await?)),
            Pool::Postgres(pool) => server::write(pool).await,
        }
    }

    /// Returns the connections for reading.
    pub fn read(&self) -> &Pool {
        &self.readers
    }

    /// Closes the database. The write-ahead log is then merged into its file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        if let Some(relay) = &self.relay {
            relay.close();
        }
    }
}

#[cfg(test)]
mod tests;
