//! A database for reading alone, while another process may write.

use std::path::Path;

use super::server::Relay;
use super::{Pool, Storage, server, sqlite};
use crate::error::Result;

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
            Storage::File => Ok(Self { pool: sqlite::open_to_read(folder).await?, relay: None }),
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
