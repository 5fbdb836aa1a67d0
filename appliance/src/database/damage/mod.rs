//! Check that the pages of a database are readable and consistent.

mod aside;

use std::path::Path;

use landfall_error_codes::codes;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::{Connection, options};
use crate::error::{Error, Result};
use crate::queries::code_of;

pub use aside::{SetAsideDatabase, complete, kept_databases, set_aside};

/// Returns the first damage found, if any. Fails if the database cannot be read for another reason. A server checks its
/// own disk, and reports damage that a query meets.
pub async fn damage_of(connection: &mut Connection) -> Result<Option<String>> {
    match connection.sqlite() {
        Some(connection) => damage_of_pages(connection).await,
        None => Ok(None),
    }
}

async fn damage_of_pages(connection: &mut SqliteConnection) -> Result<Option<String>> {
    let found = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_all(connection).await;
    let found: Vec<String> = match found {
        Ok(found) => found,
        Err(error) => return damage_in(error),
    };
    Ok((found != ["ok"]).then(|| found.join(", ")))
}

/// Like [`damage_of`], for a file, before anything writes to it.
pub async fn damage_of_file(path: &Path) -> Result<Option<String>> {
    let mut connection = match options(path).read_only(true).connect().await {
        Ok(connection) => connection,
        Err(error) => return damage_in(error),
    };
    let found = damage_of_pages(&mut connection).await;
    let _closed = connection.close().await;
    found
}

/// Returns the damage that an error reports; passes other errors on.
fn damage_in(error: sqlx::Error) -> Result<Option<String>> {
    if code_of(&error) == codes::APPLIANCE_DATABASE_DAMAGED {
        Ok(Some(error.to_string()))
    } else {
        Err(Error::from(error))
    }
}

#[cfg(test)]
mod tests;
