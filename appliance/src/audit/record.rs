//! Writing an entry, in the transaction of what it records.

use jiff::{Timestamp, Unit};
use landfall_audit::{Hash, Head, hash};
use landfall_error_codes::codes;
use landfall_peer::spelled_out;

use super::{Entry, Outcome};
use crate::database::{Connection, query};
use crate::error::{Context as _, Error, Result};

/// Longest text of a field, in characters, before the mark of what was cut: names come from requests, reasons from other programs.
const LONGEST: usize = 200;

/// Who acts, from where, and in which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The user's name, with the key if one was used; `-` for an anonymous request.
    pub name: String,
    /// The address that the request came from.
    pub from: String,
    /// Id of the request.
    pub correlation: String,
}

impl Author {
    /// The console itself, which acts without a request.
    pub fn console() -> Self {
        Self { name: "-".to_owned(), from: "-".to_owned(), correlation: "-".to_owned() }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// What was done: `user.create`.
    pub action: &'static str,
    /// What it was done to.
    pub object: &'a str,
    /// What became of it.
    pub outcome: Outcome,
    /// More about it, for a person.
    pub detail: &'a str,
}

impl<'a> Event<'a> {
    /// Something that was done.
    pub fn done(action: &'static str, object: &'a str) -> Self {
        Self { action, object, outcome: Outcome::Done, detail: "" }
    }

    /// Something that was refused, and why.
    pub fn refused(action: &'static str, object: &'a str, detail: &'a str) -> Self {
        Self { action, object, outcome: Outcome::Refused, detail }
    }

    /// The same with a detail.
    pub fn with(self, detail: &'a str) -> Self {
        Self { detail, ..self }
    }
}

/// A text that no request can make long, and that shows what it has. That something was cut is visible, so that the rest is not taken for all of it.
fn short(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(LONGEST) else { return spelled_out(text) };
    format!("{}… [cut: {LONGEST} of {} characters]", spelled_out(&text[..end]), text.chars().count())
}

/// Appends an entry. It counts once the transaction of the connection is committed.
pub async fn record(connection: &mut Connection, author: &Author, event: Event<'_>) -> Result<Head> {
    let before = head(connection).await?;
    let at =
        Timestamp::now().round(Unit::Millisecond).context(codes::BUG, || "the time has no milliseconds".to_owned())?;
    let entry = Entry {
        action: event.action.to_owned(),
        actor: short(&author.name),
        at,
        correlation: short(&author.correlation),
        detail: short(event.detail),
        from: short(&author.from),
        number: before.number + 1,
        object: short(event.object),
        outcome: event.outcome,
    };
    let text = entry.canonical().context(codes::BUG, || "an audit entry has no JSON".to_owned())?;
    let hash = hash(&before.hash, &text);
    query("INSERT INTO audit (number, entry, hash) VALUES ($1, $2, $3)")
        .bind(entry.number)
        .bind(text)
        .bind(hash.to_string())
        .execute(connection)
        .await?;
    Ok(Head { number: entry.number, hash })
}

/// The last entry of the log.
pub async fn head(connection: &mut Connection) -> Result<Head> {
    let last = query("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetch_optional(connection);
    let Some(row) = last.await? else { return Ok(Head::EMPTY) };
    let hash: String = row.try_get(1)?;
    let damaged = |()| Error::new(codes::AUDIT_BROKEN, "the last entry's hash cannot be read");
    Ok(Head { number: row.try_get(0)?, hash: hash.parse::<Hash>().map_err(damaged)? })
}
