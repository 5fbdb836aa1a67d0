//! Checkpoints in the database, and the entries between them.

use futures_util::TryStreamExt as _;
use landfall_audit::{Checkpoint, ENTRY_BYTES, Follower, Head};
use landfall_bundle_spec::trust::PublicKey;
use landfall_error_codes::codes;
use landfall_peer::AUDIT_BYTES;

use super::chain::{PAGE, start};
use crate::error::{Context as _, Error, Result};
use crate::queries::{Connection, Write, query, query_scalar};

/// Stores a checkpoint. An existing one is not changed.
pub async fn keep(write: &mut Write, checkpoint: &Checkpoint) -> Result<()> {
    let text = serde_json::to_string(checkpoint).context(codes::BUG, || "a checkpoint has no JSON".to_owned())?;
    let sequence =
        i64::try_from(checkpoint.sequence).context(codes::HOST_ANSWER, || "a checkpoint's number".to_owned())?;
    let insert = "INSERT INTO audit_checkpoints (key_id, sequence, number, checkpoint) VALUES ($1, $2, $3, $4) \
                  ON CONFLICT (key_id, sequence) DO NOTHING";
    query(insert)
        .bind(checkpoint.key.to_string())
        .bind(sequence)
        .bind(checkpoint.head.number)
        .bind(text)
        .execute(&mut **write)
        .await?;
    Ok(())
}

/// Returns true if the log has exactly this entry.
pub async fn contains(connection: &mut Connection, head: Head) -> Result<bool> {
    if head == Head::EMPTY {
        return Ok(true);
    }
    let hash = query_scalar("SELECT hash FROM audit WHERE number = $1").bind(head.number);
    let hash: Option<String> = hash.fetch_optional(&mut *connection).await?;
    match hash {
        Some(hash) => Ok(hash == head.hash.to_string()),
        // The last dropped entry is known from the host's signature.
        None => Ok(start(connection).await.is_ok_and(|start| start == head)),
    }
}

/// Returns the newest checkpoint that a key has signed and whose entry the log has; edited ones are skipped.
pub async fn newest(connection: &mut Connection, key: &PublicKey) -> Result<Option<Checkpoint>> {
    let mut below = i64::MAX;
    loop {
        let select = "SELECT sequence, checkpoint FROM audit_checkpoints WHERE key_id = $1 AND sequence < $2 \
                      ORDER BY sequence DESC LIMIT 1";
        let row = query(select).bind(key.id().to_string()).bind(below).fetch_optional(&mut *connection).await?;
        let Some(row) = row else { return Ok(None) };
        below = row.try_get(0)?;
        let read: Option<Checkpoint> = serde_json::from_str(row.try_get(1)?).ok();
        if let Some(checkpoint) = read.filter(|checkpoint| checkpoint.is_signed_by(key))
            && contains(connection, checkpoint.head).await?
        {
            return Ok(Some(checkpoint));
        }
    }
}

/// Returns true if checkpoints of other keys are stored, but none of this one.
pub async fn is_new_key(connection: &mut Connection, key: &str) -> Result<bool> {
    let count = "SELECT count(*), count(CASE WHEN key_id = $1 THEN 1 END) FROM audit_checkpoints";
    let row = query(count).bind(key).fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>(0)? > 0 && row.try_get::<i64, _>(1)? == 0)
}

/// Returns the next entries after one; `None` at the end of the log. These are as many as fit into one request for a
/// checkpoint, or a single longer one. The text of an entry that is too long for any request is not even read.
pub async fn entries_behind(connection: &mut Connection, begin: Head) -> Result<Option<(Vec<String>, Head)>> {
    let select = "SELECT CASE WHEN octet_length(entry) <= $3 THEN entry END, hash \
                  FROM audit WHERE number > $1 ORDER BY number LIMIT $2";
    let longest = i64::try_from(ENTRY_BYTES).unwrap_or(i64::MAX);
    let mut rows = query(select).bind(begin.number).bind(PAGE).bind(longest).fetch(connection);
    let (mut texts, mut follower, mut bytes) = (Vec::new(), Follower::behind(begin), 0);
    while let Some(row) = rows.try_next().await? {
        let (text, hash): (Option<String>, String) = (row.try_get(0)?, row.try_get(1)?);
        bytes += text.as_ref().map_or(0, String::len);
        if bytes > AUDIT_BYTES && !texts.is_empty() {
            break;
        }
        let text = text.ok_or_else(|| too_long(follower.head().number + 1))?;
        follower.follow(&text, &hash).map_err(Error::from)?;
        texts.push(text);
    }
    Ok((!texts.is_empty()).then_some((texts, follower.head())))
}

fn too_long(number: i64) -> Error {
    let what = format!("entry {number} is not as it was written: its text is longer than that of any entry");
    Error::new(codes::AUDIT_BROKEN, what)
}

/// Returns the stored checkpoint that covers most of the log; only the host can verify it. Examines a limited number.
pub async fn stored(connection: &mut Connection) -> Result<Option<Checkpoint>> {
    let select = "SELECT checkpoint FROM audit_checkpoints ORDER BY number DESC, sequence DESC LIMIT 100";
    let rows: Vec<String> = query_scalar(select).fetch_all(&mut *connection).await?;
    let mut read: Vec<Checkpoint> = rows.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    read.sort_by_key(|checkpoint| std::cmp::Reverse((checkpoint.head.number, checkpoint.at)));
    for checkpoint in read {
        if contains(connection, checkpoint.head).await? {
            return Ok(Some(checkpoint));
        }
    }
    Ok(None)
}
