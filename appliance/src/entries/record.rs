//! Writer of entries, in the transaction of the recorded action.

use jiff::{Timestamp, Unit};
use landfall_audit::{Entry, Hash, Head, Outcome, hash};
use landfall_error_codes::codes;
use landfall_peer::spelled_out;

use crate::error::{Context as _, Error, Result};
use crate::queries::{Connection, query};

/// Maximum length of a field, in characters, before the truncation mark: names come from requests, reasons from other
/// programs.
const LONGEST: usize = 200;

/// Actor, with address and request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Name of the user, with the key if one was used; `-` for an anonymous request.
    pub name: String,
    /// Address of the request's sender.
    pub from: String,
    /// ID of the request.
    pub correlation: String,
}

impl Author {
    /// Returns the console itself, which acts without a request.
    pub fn console() -> Self {
        Self { name: "-".to_owned(), from: "-".to_owned(), correlation: "-".to_owned() }
    }
}

/// An event to record.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Action, such as `user.create`.
    pub action: &'static str,
    /// Object of the action.
    pub object: &'a str,
    /// Outcome of the action.
    pub outcome: Outcome,
    /// Details for people.
    pub detail: &'a str,
}

impl<'a> Event<'a> {
    /// Creates the event of a completed action.
    pub fn done(action: &'static str, object: &'a str) -> Self {
        Self { action, object, outcome: Outcome::Done, detail: "" }
    }

    /// Creates the event of a refused action, with the reason.
    pub fn refused(action: &'static str, object: &'a str, detail: &'a str) -> Self {
        Self { action, object, outcome: Outcome::Refused, detail }
    }

    /// Returns the event with a detail.
    pub fn with(self, detail: &'a str) -> Self {
        Self { detail, ..self }
    }
}

/// Truncates a text and spells out hidden characters. The truncation is visible, so that the rest is not taken for the
/// whole text.
fn short(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(LONGEST) else { return spelled_out(text) };
    format!("{}… [cut: {LONGEST} of {} characters]", spelled_out(&text[..end]), text.chars().count())
}

/// Appends an entry. It becomes valid when the connection's transaction is committed.
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

/// Returns the last entry of the log.
pub async fn head(connection: &mut Connection) -> Result<Head> {
    let last = query("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetch_optional(connection);
    let Some(row) = last.await? else { return Ok(Head::EMPTY) };
    let hash: String = row.try_get(1)?;
    let damaged = |()| Error::new(codes::AUDIT_BROKEN, "the last entry's hash cannot be read");
    Ok(Head { number: row.try_get(0)?, hash: hash.parse::<Hash>().map_err(damaged)? })
}
