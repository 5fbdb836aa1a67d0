//! Position of the server in the log, and the next entries.

use crate::audit::head;
use crate::database::{Database, Pool, Row, query, query_scalar};
use crate::error::Result;

/// A stored entry.
pub struct StoredEntry {
    pub number: i64,
    pub text: String,
    pub hash: String,
}

/// Returns the last entry that the server has received. Initially, it is the last one of the log: later entries are
/// forwarded.
pub async fn position(database: &Database) -> Result<i64> {
    let mut write = database.write().await?;
    let stored: Option<i64> = query_scalar("SELECT number FROM audit_forwarded").fetch_optional(&mut *write).await?;
    if let Some(number) = stored {
        return Ok(number);
    }
    let end = head(&mut write).await?.number;
    query("INSERT INTO audit_forwarded (one, number) VALUES (1, $1)").bind(end).execute(&mut *write).await?;
    write.commit().await?;
    Ok(end)
}

/// Stores that the server has received everything up to this entry.
pub async fn store(database: &Database, number: i64) -> Result<()> {
    let mut write = database.write().await?;
    query("UPDATE audit_forwarded SET number = $1").bind(number).execute(&mut *write).await?;
    Ok(write.commit().await?)
}

/// Returns entries after a number, oldest first.
pub async fn behind(pool: &Pool, number: i64, most: i64) -> Result<Vec<StoredEntry>> {
    let rows = query("SELECT number, entry, hash FROM audit WHERE number > $1 ORDER BY number LIMIT $2");
    let rows = rows.bind(number).bind(most).fetch_all(pool).await?;
    let read = |row: &Row| Ok(StoredEntry { number: row.try_get(0)?, text: row.try_get(1)?, hash: row.try_get(2)? });
    Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
}
