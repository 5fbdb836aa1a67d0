//! Inspection of a file that should be a valid database of the appliance.
//!
//! A snapshot may come from anywhere. The checks find inconsistent pages (`integrity_check`) and rows without their
//! parent (`foreign_key_check`). Triggers, views or columns with later effects are impossible, because the schema must
//! be exactly the text that this program writes. Functions in the schema are disabled (`trusted_schema` is off). An
//! edited audit log is reported, but not refused: it is evidence, and everything else is valid.

use std::path::Path;

use landfall_error_codes::codes;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Row as _};

use super::{APPLICATION_ID, Connection, migrations, options, query};
use crate::entries::Chain;
use crate::error::{Context as _, Error, Result};

fn snapshot_error(what: impl Into<String>) -> Error {
    Error::new(codes::APPLIANCE_SNAPSHOT, what)
}

/// Checks a database file completely, without changing it. Another process may be using it.
pub async fn inspect(path: &Path) -> Result<Chain> {
    let mut connection = open(path).await?;
    let checked = inspect_connection(&mut connection).await;
    close(connection).await;
    checked
}

/// Opens a database for reading at a single moment.
pub async fn open(path: &Path) -> Result<Connection> {
    let failed = || format!("{} cannot be opened as a database", path.display());
    let connection = options(path).read_only(true).connect().await;
    let mut connection = connection.context(codes::APPLIANCE_SNAPSHOT, failed)?;
    sqlx::query("BEGIN").execute(&mut connection).await.context(codes::APPLIANCE_SNAPSHOT, failed)?;
    Ok(Connection::to_file(connection))
}

/// Ends the reading. Nothing was changed.
pub async fn close(mut connection: Connection) {
    let _ended = query("ROLLBACK").execute(&mut connection).await;
    let _closed = connection.close().await;
}

/// Like [`inspect`], for a connection that reads a single moment. A server's database is not a forgeable file, so only
/// its list of schema changes and its log are checked.
pub async fn inspect_connection(connection: &mut Connection) -> Result<Chain> {
    if let Some(file) = connection.sqlite() {
        inspect_file(file).await?;
    }
    Chain::read(connection).await.map_err(|error| snapshot_error("the audit log cannot be read").because(error))
}

async fn inspect_file(connection: &mut SqliteConnection) -> Result<()> {
    let unreadable = || "the database cannot be read to its end".to_owned();
    let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(5)")
        .fetch_all(&mut *connection)
        .await
        .context(codes::APPLIANCE_SNAPSHOT, unreadable)?;
    if found != ["ok"] {
        return Err(snapshot_error(format!("the database is damaged: {}", found.join(", "))));
    }
    let owner: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await
        .context(codes::APPLIANCE_SNAPSHOT, unreadable)?;
    if owner != APPLICATION_ID {
        return Err(snapshot_error("the database is another program's"));
    }
    let version = migrations::version(connection, &migrations::migrator()).await?;
    let expected = expected_schema(version).await?;
    if schema(connection).await.context(codes::APPLIANCE_SNAPSHOT, unreadable)? != expected {
        return Err(snapshot_error("the database has tables, triggers or columns that the appliance did not make"));
    }
    let orphans = sqlx::query("PRAGMA foreign_key_check")
        .fetch_all(&mut *connection)
        .await
        .context(codes::APPLIANCE_SNAPSHOT, unreadable)?;
    if !orphans.is_empty() {
        return Err(snapshot_error(format!("{} rows belong to users that are missing", orphans.len())));
    }
    Ok(())
}

/// Returns everything that the schema declares, in a fixed order.
async fn schema(connection: &mut SqliteConnection) -> Result<Vec<[String; 4]>, sqlx::Error> {
    let rows = sqlx::query("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name")
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok([row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?])).collect()
}

/// Returns the schema of that version, as this program creates it.
async fn expected_schema(version: i64) -> Result<Vec<[String; 4]>> {
    let mut fresh = SqliteConnectOptions::new().in_memory(true).connect().await?;
    let failed = || "the schema cannot be made for comparison".to_owned();
    migrations::migrator().run_to(version, &mut fresh).await.context(codes::APPLIANCE_DATABASE, failed)?;
    Ok(schema(&mut fresh).await?)
}
