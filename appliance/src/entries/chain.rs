//! Integrity of the log's chain in a database.

use landfall_audit::{Checkpoint, Entry, Follower, Head};
use landfall_error_codes::{CodedError as _, codes};

use super::checkpoints::contains;
use crate::error::{Error, Result};
use crate::queries::{Connection, Row, query, query_scalar};

/// Number of entries read from the database at once.
pub const PAGE: i64 = 500;

/// State of a database's whole log. A broken log is evidence: it is shown, saved and restored unchanged, and blocks
/// nothing else.
#[derive(Debug)]
pub enum Chain {
    /// Every entry is as written; with the last one.
    Whole(Head),
    /// An entry was changed, added or removed. The error names it.
    Broken(Error),
}

impl Chain {
    /// Follows the chain of a database from its first entry to its last. Fails if it cannot be read.
    pub async fn read(connection: &mut Connection) -> Result<Self> {
        Self::found(follow_all(connection).await)
    }

    /// Follows the chain after a known entry; all of it if the log does not have that entry.
    pub async fn behind(connection: &mut Connection, seen: Head) -> Result<Self> {
        if !contains(connection, seen).await? {
            return Self::read(connection).await;
        }
        let mut follower = Follower::behind(seen);
        Self::found(follow_to_end(connection, &mut follower, |_| {}).await.map(|()| follower.head()))
    }

    fn found(followed: Result<Head>) -> Result<Self> {
        match followed {
            Ok(head) => Ok(Self::Whole(head)),
            Err(error) if error.code() == codes::AUDIT_BROKEN => Ok(Self::Broken(error)),
            Err(error) => Err(error),
        }
    }
}

/// Returns the predecessor of the first entry: none, or the last dropped entry, which the host has signed.
pub async fn start(connection: &mut Connection) -> Result<Head> {
    let first = query("SELECT min(number) FROM audit").fetch_one(&mut *connection).await?;
    let first: Option<i64> = first.try_get(0)?;
    let Some(before) = first.map(|first| first - 1).filter(|before| *before != 0) else { return Ok(Head::EMPTY) };
    let signed = query("SELECT checkpoint FROM audit_checkpoints WHERE number = $1").bind(before);
    let signed = signed.fetch_all(&mut *connection).await?;
    let read = |row: &Row| serde_json::from_str::<Checkpoint>(row.try_get(0).ok()?).ok();
    let found = signed.iter().filter_map(read).map(|checkpoint| checkpoint.head).find(|head| head.number == before);
    found.ok_or_else(|| {
        Error::new(codes::AUDIT_BROKEN, format!("the log begins behind entry {before}, which no checkpoint covers"))
    })
}

async fn follow_all(connection: &mut Connection) -> Result<Head> {
    let start = start(connection).await?;
    let mut follower = Follower::behind(start);
    let mut is_recorded = start == Head::EMPTY;
    follow_to_end(connection, &mut follower, |entry| is_recorded |= entry.records_drop(start)).await?;
    let end = follower.head();
    let count: i64 = query_scalar("SELECT count(*) FROM audit").fetch_one(connection).await?;
    if count != end.number - start.number {
        return Err(Error::new(codes::AUDIT_BROKEN, "the log has entries before its first one"));
    }
    if !is_recorded {
        let what = format!(
            "the log begins behind entry {}, and no entry records that those up to it were dropped",
            start.number
        );
        return Err(Error::new(codes::AUDIT_BROKEN, what));
    }
    Ok(end)
}

async fn follow_to_end(
    connection: &mut Connection,
    follower: &mut Follower,
    mut seen: impl FnMut(&Entry),
) -> Result<()> {
    loop {
        let rows = query("SELECT entry, hash FROM audit WHERE number > $1 ORDER BY number LIMIT $2")
            .bind(follower.head().number)
            .bind(PAGE)
            .fetch_all(&mut *connection)
            .await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in &rows {
            seen(&follower.follow(&row.try_get::<String, _>(0)?, &row.try_get::<String, _>(1)?)?);
        }
    }
}
