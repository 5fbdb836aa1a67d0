//! Transfer of all rows from a file to a server and back. A snapshot is always a file: either kind of database can load
//! a snapshot of the other.

use std::path::Path;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use landfall_error_codes::codes;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::{ServerConnection, Settings, begin, former, pool, reach};
use crate::database::{Connection, Row, Write, migrations, query, sqlite};
use crate::error::{Error, Result};
use crate::queries::{ONE_MOMENT, Value};

/// Rows per insert statement. A server answers each statement, and a long log must be moved within the pod's startup
/// time.
const BATCH: usize = 100;
/// Maximum bytes of texts in an unfilled batch. No row of the console itself is as long.
const BATCH_BYTES: usize = 1 << 20;

/// A table of the newest schema.
pub struct Table {
    /// Name of the table.
    pub name: &'static str,
    /// Columns with texts.
    pub texts: &'static [&'static str],
    /// Columns with integers.
    pub numbers: &'static [&'static str],
}

/// All tables, each after those that it refers to.
pub const TABLES: [Table; 10] = [
    Table {
        name: "users",
        texts: &["name", "role", "password", "source", "subject", "disabled"],
        numbers: &["created", "password_changed", "confirmed"],
    },
    Table {
        name: "sessions",
        texts: &["id", "secret_hash", "user_name", "address", "browser"],
        numbers: &["created", "seen", "ends", "proven"],
    },
    Table {
        name: "api_keys",
        texts: &["id", "secret_hash", "label", "user_name", "scopes"],
        numbers: &["created", "ends", "used"],
    },
    Table { name: "audit", texts: &["entry", "hash"], numbers: &["number"] },
    Table { name: "audit_checkpoints", texts: &["key_id", "checkpoint"], numbers: &["sequence", "number"] },
    Table { name: "two_people", texts: &["by_name"], numbers: &["one", "since"] },
    Table { name: "counted_users", texts: &["user_name"], numbers: &["since"] },
    Table {
        name: "approvals",
        texts: &["id", "kind", "subject", "change", "title", "user_name", "asked_as"],
        numbers: &["asked", "ends"],
    },
    Table { name: "audit_forwarded", texts: &[], numbers: &["one", "number"] },
    Table { name: "trend", texts: &["point"], numbers: &["at"] },
];

impl Table {
    fn columns(&self) -> Vec<&'static str> {
        self.texts.iter().chain(self.numbers).copied().collect()
    }

    fn select(&self) -> String {
        format!("SELECT {} FROM {}", self.columns().join(", "), self.name)
    }

    fn insert(&self, rows: usize) -> String {
        let columns = self.columns();
        let row = |row: usize| {
            let first = row * columns.len() + 1;
            let places: Vec<String> = (first..first + columns.len()).map(|number| format!("${number}")).collect();
            format!("({})", places.join(", "))
        };
        let rows: Vec<String> = (0..rows).map(row).collect();
        format!("INSERT INTO {} ({}) VALUES {}", self.name, columns.join(", "), rows.join(", "))
    }

    /// Returns the values of a row, in the order of the columns.
    fn values(&self, row: &Row) -> Result<Vec<Value>, sqlx::Error> {
        let (texts, all) = (self.texts.len(), self.texts.len() + self.numbers.len());
        let numbers = (texts..all).map(|index| row.try_get(index).map(Value::Integer));
        (0..texts).map(|index| row.try_get(index).map(Value::Text)).chain(numbers).collect()
    }
}

/// Copies all rows to empty tables.
async fn copy(from: &mut Connection, to: &mut Connection) -> Result<()> {
    for table in &TABLES {
        let mut rows = query(AssertSqlSafe(table.select())).fetch(from);
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await? {
            let values = table.values(&row)?;
            bytes += values.iter().map(length).sum::<usize>();
            batch.push(values);
            if batch.len() == BATCH || bytes > BATCH_BYTES {
                insert(table, &batch, to).await?;
                batch.clear();
                bytes = 0;
            }
        }
        insert(table, &batch, to).await?;
    }
    Ok(())
}

fn length(value: &Value) -> usize {
    match value {
        Value::Text(Some(text)) => text.len(),
        Value::Text(None) | Value::Integer(_) => 0,
    }
}

/// Inserts a full batch at once, and fewer rows one by one: each table then has two statements, each prepared once.
async fn insert(table: &Table, rows: &[Vec<Value>], to: &mut Connection) -> Result<()> {
    let at_once = if rows.len() == BATCH { BATCH } else { 1 };
    let sql = table.insert(at_once);
    for rows in rows.chunks(at_once) {
        let mut statement = query(AssertSqlSafe(sql.clone()));
        for value in rows.iter().flatten() {
            statement = statement.bind(value.clone());
        }
        statement.execute(&mut *to).await?;
    }
    Ok(())
}

/// Copies all rows of a file that nothing writes to.
pub async fn copy_file(path: &Path, to: &mut Connection) -> Result<()> {
    let mut from = Connection::to_file(sqlite::options(path).read_only(true).connect().await?);
    let copied = copy(&mut from, to).await;
    from.close().await?;
    copied
}

/// Copies the content of a file with the newest schema to the server's database, completely or not at all. The former
/// content is kept in a separate schema.
pub async fn fill(settings: &Arc<Settings>, path: &Path) -> Result<()> {
    let ServerConnection { relay, options, connection } = reach(settings).await?;
    connection.close().await?;
    let pool = pool(1).connect_with(options).await?;
    let mut transaction = begin(&pool).await?;
    former::keep(&mut transaction).await?;
    migrations::up_server(&mut transaction).await?;
    let mut write = Write::of_postgres(transaction);
    copy_file(path, &mut write).await?;
    write.commit().await?;
    pool.close().await;
    relay.close();
    Ok(())
}

/// Creates a file with the content of the server's database at a single moment. Consoles may write concurrently.
pub async fn write_snapshot(settings: &Arc<Settings>, target: &Path) -> Result<()> {
    let ServerConnection { relay, connection, .. } = reach(settings).await?;
    let mut from = Connection::to_server(connection);
    let version = migrations::version_of(&mut from).await?;
    if version != migrations::newest() {
        let what = format!("the server's database has schema {version}; start the console, which changes it");
        return Err(Error::new(codes::APPLIANCE_DATABASE, what));
    }
    query(ONE_MOMENT).execute(&mut from).await?;
    let mut to = Connection::to_file(sqlite::make(target, version).await?);
    query("BEGIN IMMEDIATE").execute(&mut to).await?;
    copy(&mut from, &mut to).await?;
    query("COMMIT").execute(&mut to).await?;
    to.close().await?;
    from.close().await?;
    relay.close();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statement_inserts_requested_rows() {
        let audit = TABLES.iter().find(|table| table.name == "audit").unwrap();
        assert_eq!(audit.insert(1), "INSERT INTO audit (entry, hash, number) VALUES ($1, $2, $3)");
        assert_eq!(audit.insert(2), "INSERT INTO audit (entry, hash, number) VALUES ($1, $2, $3), ($4, $5, $6)");
    }
}
