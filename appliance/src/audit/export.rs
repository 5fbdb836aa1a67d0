//! Reader of the log: pages for people, and all of it as JSON lines.

use std::io::Write;
use std::path::Path;

use jiff::Timestamp;
use landfall_audit::{Head, Line, SCHEMA, checkpoint_line, entry_line};
use landfall_error_codes::codes;

use super::syslog::message;
use crate::audit::Entry;
use crate::database::{Connection, Pool, ReadOnlyDatabase, Row, Storage, query};
use crate::entries::{PAGE, head, start};
use crate::error::{Context as _, Result};

/// Returns entries before a number, newest first, each with its number; from the end if `before` is `None`. An
/// unreadable entry keeps its place.
pub async fn page(pool: &Pool, before: Option<i64>, count: i64) -> Result<Vec<(i64, Option<Entry>)>> {
    let rows = query("SELECT number, entry FROM audit WHERE number < $1 ORDER BY number DESC LIMIT $2")
        .bind(before.unwrap_or(i64::MAX))
        .bind(count)
        .fetch_all(pool)
        .await?;
    let read = |row: &Row| {
        let text: Option<&str> = row.try_get(1).ok();
        Ok((row.try_get(0)?, text.and_then(|text| serde_json::from_str(text).ok())))
    };
    Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
}

/// Format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON lines with checkpoints and the head, for `landfall audit verify`.
    JsonLines,
    /// Syslog messages, one per line.
    Syslog,
}

/// A running export: it ends with the entry that was the last one at its beginning.
#[derive(Debug, Clone, Copy)]
pub struct Export {
    /// The last entry.
    pub end: Head,
    /// Time of the beginning. The export contains checkpoints signed until then.
    begun: Timestamp,
}

impl Export {
    /// Begins an export.
    pub async fn begin(pool: &Pool) -> Result<Self> {
        let begun = Timestamp::now();
        Ok(Self { end: head(&mut pool.acquire().await?).await?, begun })
    }

    /// Returns part of the text: at most a page of entries after a number. JSON lines include the checkpoints after
    /// each entry, and the line of the head after the last one. Also returns the number to continue after; `None` after
    /// the head.
    pub async fn page(&self, pool: &Pool, after: i64, form: Form) -> Result<(String, Option<i64>)> {
        let mut moment = pool.begin().await?;
        let mut text = String::new();
        // The predecessor of the first entry comes first, as signed by the host.
        let start = if after == 0 { start(&mut moment).await.map_or(0, |start| start.number) } else { 0 };
        if form == Form::JsonLines && start > 0 {
            for (_, checkpoint) in checkpoints_of(&mut moment, start - 1, start).await? {
                text.push_str(&checkpoint_line(&checkpoint));
            }
        }
        let after = after.max(start);
        let rows =
            query("SELECT number, entry, hash FROM audit WHERE number > $1 AND number <= $2 ORDER BY number LIMIT $3")
                .bind(after)
                .bind(self.end.number)
                .bind(PAGE)
                .fetch_all(&mut moment)
                .await?;
        let Some(last) = rows.last() else {
            if form == Form::JsonLines {
                text.push_str(&self.last_line()?);
            }
            return Ok((text, None));
        };
        let last: i64 = last.try_get(0)?;
        let mut checkpoints = checkpoints_of(&mut moment, after, last).await?.into_iter().peekable();
        for row in &rows {
            let (number, entry, hash): (i64, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            if form == Form::Syslog {
                text.push_str(&message("-", number, &entry, &hash));
                text.push('\n');
                continue;
            }
            text.push_str(&entry_line(&entry, &hash));
            while let Some((_, checkpoint)) = checkpoints.next_if(|(of, _)| *of <= number) {
                text.push_str(&checkpoint_line(&checkpoint));
            }
        }
        Ok((text, Some(last)))
    }

    fn last_line(&self) -> Result<String> {
        let line = Line::AuditHead { schema: SCHEMA, exported: self.begun, head: self.end.to_string() };
        let text = serde_json::to_string(&line).context(codes::BUG, || "the head has no JSON".to_owned())?;
        Ok(text + "\n")
    }
}

/// Writes the log of a data folder's database, or of a server's, as JSON lines, with its checkpoints and the head.
/// Changes nothing; the console may be running.
pub async fn export(folder: &Path, storage: &Storage, output: &mut impl Write) -> Result<()> {
    let failed = || "the audit log cannot be written out".to_owned();
    let reading = ReadOnlyDatabase::open(folder, storage).await?;
    let export = Export::begin(reading.pool()).await?;
    let mut after = Some(0);
    while let Some(number) = after {
        let (text, next) = export.page(reading.pool(), number, Form::JsonLines).await?;
        output.write_all(text.as_bytes()).context(codes::APPLIANCE_DATABASE, failed)?;
        after = next;
    }
    reading.close().await;
    output.flush().context(codes::APPLIANCE_DATABASE, failed)
}

/// Returns checkpoints of these entries, in the order of a log.
async fn checkpoints_of(connection: &mut Connection, after: i64, last: i64) -> Result<Vec<(i64, String)>> {
    let rows = query(
        "SELECT number, checkpoint FROM audit_checkpoints WHERE number > $1 AND number <= $2 ORDER BY number, key_id, \
         sequence",
    )
    .bind(after)
    .bind(last)
    .fetch_all(connection)
    .await?;
    Ok(rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, sqlx::Error>>()?)
}
