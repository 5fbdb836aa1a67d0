//! The rule that every chain keeps, whether it is in a database or in a file.

use landfall_error_codes::codes;
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
        let entry: Entry = serde_json::from_str(text).map_err(|_| broken("it is no entry"))?;
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

/// Checks the chain of a database from its first entry to its last.
pub async fn check_chain(connection: &mut SqliteConnection) -> Result<()> {
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
        return Ok(());
    }
    Err(Error::new(codes::AUDIT_BROKEN, "the log has entries before its first one"))
}
