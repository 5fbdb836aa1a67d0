//! Whether the log of a database is a whole chain.

use landfall_audit::{Follower, Head};
use landfall_error_codes::{Coded as _, codes};

use crate::database::{Connection, query, query_scalar};
use crate::error::{Error, Result};

/// Entries that are read from the database at once.
pub const PAGE: i64 = 500;

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
    pub async fn of(connection: &mut Connection) -> Result<Self> {
        match follow_to_end(connection).await {
            Ok(head) => Ok(Self::Whole(head)),
            Err(error) if error.code() == codes::AUDIT_BROKEN => Ok(Self::Broken(error)),
            Err(error) => Err(error),
        }
    }
}

async fn follow_to_end(connection: &mut Connection) -> Result<Head> {
    let mut follower = Follower::behind(Head::EMPTY);
    loop {
        let rows = query("SELECT entry, hash FROM audit WHERE number > $1 ORDER BY number LIMIT $2")
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
    let count: i64 = query_scalar("SELECT count(*) FROM audit").fetch_one(connection).await?;
    if count == follower.head().number {
        return Ok(follower.head());
    }
    Err(Error::new(codes::AUDIT_BROKEN, "the log has entries before its first one"))
}
