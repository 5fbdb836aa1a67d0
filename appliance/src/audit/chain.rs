//! The rule that every chain keeps, whether it is in a database or in a file.

use landfall_error_codes::{Coded as _, codes};
use sqlx::{Row as _, SqliteConnection};

use super::entry::Entry;
use super::head::{Hash, Head};
use crate::error::{Error, Result};

/// Entries that are read from the database at once.
pub const PAGE: i64 = 500;

/// Follows a chain entry by entry.
#[derive(Debug)]
pub struct Follower(Head);

impl Follower {
    /// At the beginning of a chain.
    pub fn new() -> Self {
        Self(Head::EMPTY)
    }

    /// The entry that it is at.
    pub fn head(&self) -> Head {
        self.0
    }

    /// Takes the next entry, if it is the next one and as it was written. The error names the entry by its place.
    pub fn follow(&mut self, text: &str, hash: &str) -> Result<Entry> {
        let number = self.0.number + 1;
        let broken =
            |why: &str| Error::new(codes::AUDIT_BROKEN, format!("entry {number} is not as it was written: {why}"));
        let entry: Entry = serde_json::from_str(text).map_err(|_| broken("it is not an entry"))?;
        if entry.canonical().ok().as_deref() != Some(text) {
            return Err(broken("its text was edited"));
        }
        if entry.number != number {
            return Err(broken(&format!("number {} is in its place", entry.number)));
        }
        let expected = entry.hash(&self.0.hash).map_err(|_| broken("it has no canonical form"))?;
        if hash.parse::<Hash>() != Ok(expected) {
            return Err(broken("its hash does not match"));
        }
        self.0 = Head { number, hash: expected };
        Ok(entry)
    }
}

/// What a whole log of a database is found to be. A broken one is evidence: it is shown, saved and restored as it is, and stops
/// nothing else.
#[derive(Debug)]
pub enum Chain {
    /// Every entry is as it was written; the last one.
    Whole(Head),
    /// An entry was changed, added or removed. The error names it.
    Broken(Error),
}

impl Chain {
    /// Follows the chain of a database from its first entry to its last. An error means that it cannot be read.
    pub async fn of(connection: &mut SqliteConnection) -> Result<Self> {
        match follow_to_end(connection).await {
            Ok(head) => Ok(Self::Whole(head)),
            Err(error) if error.code() == codes::AUDIT_BROKEN => Ok(Self::Broken(error)),
            Err(error) => Err(error),
        }
    }
}

async fn follow_to_end(connection: &mut SqliteConnection) -> Result<Head> {
    let mut follower = Follower::new();
    loop {
        let rows = sqlx::query("SELECT entry, hash FROM audit WHERE number > $1 ORDER BY number LIMIT $2")
            .bind(follower.head().number)
            .bind(PAGE)
            .fetch_all(&mut *connection)
            .await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            follower.follow(&row.try_get::<String, _>(0)?, &row.try_get::<String, _>(1)?)?;
        }
    }
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM audit").fetch_one(connection).await?;
    if count == follower.head().number {
        return Ok(follower.head());
    }
    Err(Error::new(codes::AUDIT_BROKEN, "the log has entries before its first one"))
}
