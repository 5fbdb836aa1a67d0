//! What a server's database held before a snapshot took its place. It is kept beside the new content, as a damaged file is: it may be
//! evidence, and a person may save rows from it.

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::error::Result;

/// What the name of a schema with former content begins with; the time follows.
const PREFIX: &str = "former_";
/// How the time is written, in UTC.
const TIME: &str = "%Y%m%dt%H%M%Sz";
/// Most that are kept; the oldest one beyond that is removed.
const MOST: usize = 3;

/// Moves all tables into a schema of their own, in the transaction of the connection: those of a newer version, too, whose changes of the
/// schema are made again some time.
pub async fn keep(connection: &mut PgConnection) -> Result<()> {
    let present = "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'";
    let present: Vec<String> = sqlx::query_scalar(present).fetch_all(&mut *connection).await?;
    if present.is_empty() {
        return Ok(());
    }
    let schema = format!("{PREFIX}{}", Timestamp::now().strftime(TIME));
    sqlx::query(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).execute(&mut *connection).await?;
    for name in &present {
        let moved = AssertSqlSafe(format!("ALTER TABLE public.{} SET SCHEMA {schema}", quoted(name)));
        sqlx::query(moved).execute(&mut *connection).await?;
    }
    tracing::warn!(schema, "what the server's database held is kept in this schema");
    remove_oldest(connection).await
}

async fn remove_oldest(connection: &mut PgConnection) -> Result<()> {
    let all = "SELECT CAST(nspname AS TEXT) FROM pg_namespace WHERE starts_with(CAST(nspname AS TEXT), $1) \
               ORDER BY 1 DESC";
    let all: Vec<String> = sqlx::query_scalar(all).bind(PREFIX).fetch_all(&mut *connection).await?;
    for schema in all.iter().skip(MOST) {
        let removed = AssertSqlSafe(format!("DROP SCHEMA {} CASCADE", quoted(schema)));
        sqlx::query(removed).execute(&mut *connection).await?;
    }
    Ok(())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
