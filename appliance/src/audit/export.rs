//! Reading the log: pages for people, and all of it as JSON lines.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, SqlitePool};

use super::chain::PAGE;
use super::entry::Entry;
use super::head::Head;
use super::record::head;
use crate::error::Result;

/// A line of an exported log. The lines of entries come first, and exactly one line with the head ends the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Line {
    /// An entry with its hash.
    AuditEntry {
        /// Form of this line.
        schema: u32,
        /// The entry.
        entry: Entry,
        /// Its hash, in hexadecimal.
        hash: String,
    },
    /// The end of the log at the time of the export.
    AuditHead {
        /// Form of this line.
        schema: u32,
        /// When it was exported.
        exported: Timestamp,
        /// `NUMBER:HASH` of the last entry.
        head: String,
    },
}

/// Form of the lines.
pub const SCHEMA: u32 = 1;

/// Entries before a number, newest first, each with its number; the newest of all where `before` is none. One that cannot be read
/// has its place.
pub async fn page(pool: &SqlitePool, before: Option<i64>, count: i64) -> Result<Vec<(i64, Option<Entry>)>> {
    let rows = sqlx::query("SELECT number, entry FROM audit WHERE number < $1 ORDER BY number DESC LIMIT $2")
        .bind(before.unwrap_or(i64::MAX))
        .bind(count)
        .fetch_all(pool)
        .await?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        let text: Option<&str> = row.try_get(1).ok();
        Ok((row.try_get(0)?, text.and_then(|text| serde_json::from_str(text).ok())))
    };
    Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
}

/// Some of the exported text: entries after a number, at most a page of them, or the line of the head behind the last one.
/// Returns the number to continue after; none behind the head.
pub async fn export(pool: &SqlitePool, after: i64, end: Head) -> Result<(String, Option<i64>)> {
    let rows = sqlx::query(
        "SELECT number, entry, hash FROM audit WHERE number > $1 AND number <= $2 ORDER BY number LIMIT $3",
    )
    .bind(after)
    .bind(end.number)
    .bind(PAGE)
    .fetch_all(pool)
    .await?;
    let mut text = String::new();
    let mut last = None;
    for row in &rows {
        last = Some(row.try_get::<i64, _>(0)?);
        let (entry, hash): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        text.push_str(&entry_line(&entry, &hash));
    }
    if last.is_none() {
        let head = Line::AuditHead { schema: SCHEMA, exported: Timestamp::now(), head: end.to_string() };
        text.push_str(&serde_json::to_string(&head).unwrap_or_default());
        text.push('\n');
    }
    Ok((text, last))
}

/// The stored text goes out as it is, also where it was tampered with: the verifier must see it.
fn entry_line(entry: &str, hash: &str) -> String {
    let hash = serde_json::Value::from(hash);
    format!("{{\"kind\":\"auditEntry\",\"schema\":{SCHEMA},\"entry\":{entry},\"hash\":{hash}}}\n")
}

/// Where an export that begins now will end.
pub async fn end(pool: &SqlitePool) -> Result<Head> {
    head(&mut *pool.acquire().await?).await
}
