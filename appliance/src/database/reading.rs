//! A database for reading only, while another process may write.

use std::path::Path;

use super::server::Relay;
use super::{Pool, Storage, server, sqlite};
use crate::error::Result;

/// An open database that is never written to.
pub struct ReadOnlyDatabase {
    pool: Pool,
    relay: Option<Relay>,
}

impl ReadOnlyDatabase {
    /// Opens the database of a data folder, or of a server. Never creates one.
    ///
    /// # Errors
    /// Fails if there is no database, or if it cannot be opened.
    pub async fn open(folder: &Path, storage: &Storage) -> Result<Self> {
        match storage {
            Storage::File => Ok(Self { pool: sqlite::open_to_read(folder).await?, relay: None }),
            Storage::Server(settings) => {
                let (pool, relay) = server::open_to_read(settings).await?;
                Ok(Self { pool, relay: Some(relay) })
            }
        }
    }

    /// Returns its connection pool.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Closes the database.
    pub async fn close(self) {
        self.pool.close().await;
        if let Some(relay) = &self.relay {
            relay.close();
        }
    }
}
