//! A database for reading alone, while another process may write.

use std::path::Path;

use super::server::Relay;
use super::{Pool, Storage, code_of, file, options, server, sqlite};
use crate::error::{Error, Result};

/// An opened database that nothing is written to.
pub struct Reading {
    pool: Pool,
    relay: Option<Relay>,
}

impl Reading {
    /// Opens the database of a data folder, or of a server. Makes none.
    ///
    /// # Errors
    /// There is none, or it cannot be opened.
    pub async fn open(folder: &Path, storage: &Storage) -> Result<Self> {
        match storage {
            Storage::File => {
                let path = file(folder);
                let opened = sqlite::pool(1).connect_with(options(&path).read_only(true)).await;
                let failed = |error: sqlx::Error| {
                    Error::new(code_of(&error), format!("{} cannot be opened", path.display())).because(error)
                };
                Ok(Self { pool: Pool::Sqlite(opened.map_err(failed)?), relay: None })
            }
            Storage::Server(settings) => {
                let (pool, relay) = server::open_to_read(settings).await?;
                Ok(Self { pool, relay: Some(relay) })
            }
        }
    }

    /// Its connection.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Closes it.
    pub async fn close(self) {
        self.pool.close().await;
        if let Some(relay) = &self.relay {
            relay.close();
        }
    }
}
