//! Former content of a server's database, before a snapshot replaced it. It is kept next to the new content, like a
//! damaged file: it may be evidence, and a person may save rows from it.

use std::cmp::Reverse;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::error::Result;

/// Prefix of the name of a schema with former content; the time follows.
const PREFIX: &str = "former_";
/// Format of the time, in UTC.
const TIME: &str = "%Y%m%dt%H%M%Sz";
/// Maximum number of kept schemas; older ones are removed.
const MOST: usize = 3;

fn name_of(at: Timestamp) -> String {
    format!("{PREFIX}{}", at.strftime(TIME))
}

/// Returns the time when a schema's content was set aside, from its name; `None` for another schema.
fn time_of(name: &str) -> Option<Timestamp> {
    let at = DateTime::strptime(TIME, name.strip_prefix(PREFIX)?).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    (name_of(at) == name).then_some(at)
}

/// Returns the time of the next schema. The later schema gets the later name, even within one second or after the clock
/// was set back. Otherwise it would be removed as the oldest.
fn next(now: Timestamp, newest: Option<Timestamp>) -> Timestamp {
    let second = SignedDuration::from_secs(1);
    let earliest = newest.map_or(Timestamp::MIN, |newest| newest.saturating_add(second).unwrap_or(newest));
    Timestamp::from_second(now.as_second()).unwrap_or(Timestamp::UNIX_EPOCH).max(earliest)
}

/// Returns the kept times, newest first.
async fn kept_times(connection: &mut PgConnection) -> Result<Vec<Timestamp>> {
    let all = "SELECT CAST(nspname AS TEXT) FROM pg_namespace WHERE starts_with(CAST(nspname AS TEXT), $1)";
    let all: Vec<String> = sqlx::query_scalar(all).bind(PREFIX).fetch_all(&mut *connection).await?;
    let mut times: Vec<Timestamp> = all.iter().filter_map(|name| time_of(name)).collect();
    times.sort_by_key(|at| Reverse(*at));
    Ok(times)
}

/// Moves all tables to a separate schema, in the connection's transaction, including those of a newer version, whose
/// schema changes will be made again.
pub async fn keep(connection: &mut PgConnection) -> Result<()> {
    let present = "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'";
    let present: Vec<String> = sqlx::query_scalar(present).fetch_all(&mut *connection).await?;
    if present.is_empty() {
        return Ok(());
    }
    let schema = name_of(next(Timestamp::now(), kept_times(connection).await?.first().copied()));
    sqlx::query(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).execute(&mut *connection).await?;
    for name in &present {
        let moved = AssertSqlSafe(format!("ALTER TABLE public.{} SET SCHEMA {schema}", quote_identifier(name)));
        sqlx::query(moved).execute(&mut *connection).await?;
    }
    tracing::warn!(schema, "what the server's database held is kept in this schema");
    remove_oldest(connection).await
}

async fn remove_oldest(connection: &mut PgConnection) -> Result<()> {
    for at in kept_times(connection).await?.into_iter().skip(MOST) {
        let removed = AssertSqlSafe(format!("DROP SCHEMA {} CASCADE", name_of(at)));
        sqlx::query(removed).execute(&mut *connection).await?;
    }
    Ok(())
}

fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn foreign_schema_is_no_former_content() {
        let time = at("2026-11-26T17:19:52Z");
        assert_eq!(name_of(time), "former_20261126t171952z");
        assert_eq!(time_of("former_20261126t171952z"), Some(time));
        for name in ["former_", "former_members", "former_20261126", "former_20261126t171952z_copy", "20261126t171952z"]
        {
            assert_eq!(time_of(name), None, "{name}");
        }
    }

    #[test]
    fn later_name_sorts_after_clock_reset() {
        let now = at("2026-11-26T17:19:52.9Z");
        assert_eq!(next(now, None), at("2026-11-26T17:19:52Z"));
        assert_eq!(next(now, Some(at("2026-11-26T17:19:52Z"))), at("2026-11-26T17:19:53Z"));
        assert_eq!(next(now, Some(at("2031-01-01T00:00:00Z"))), at("2031-01-01T00:00:01Z"));
        assert_eq!(next(now, Some(at("2020-01-01T00:00:00Z"))), at("2026-11-26T17:19:52Z"));
    }
}
