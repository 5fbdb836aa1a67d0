//! Queries for both databases: one text with placeholders such as `$1`, and rows that are read in the same way.
//!
//! The text must have the same meaning in SQLite and PostgreSQL. Values are 64-bit integers and texts; the schema has
//! no other types.

mod connection;
mod row;
mod trouble;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use sqlx::{Database, Encode, Postgres, SqlSafeStr, SqlStr, Sqlite, Type};

pub use connection::{Connection, ONE_MOMENT, Pool, Write, begin};
use connection::{Target, unanswered};
pub use row::{ColumnValue, Row};
pub use trouble::code_of;

/// Replacement for a zero byte, which texts in PostgreSQL cannot contain.
const REPLACEMENT: &str = "\u{fffd}";

/// Value of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Integer, or null.
    Integer(Option<i64>),
    /// Text, or null.
    Text(Option<String>),
}

impl Value {
    /// Returns the value in a form that PostgreSQL accepts.
    fn without_zeros(self) -> Self {
        match self {
            Self::Text(Some(text)) if text.contains('\0') => Self::Text(Some(text.replace('\0', REPLACEMENT))),
            other => other,
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(Some(text.clone()))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

/// Result of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementResult(u64);

impl StatementResult {
    /// Returns the number of rows written or removed.
    pub fn rows_affected(&self) -> u64 {
        self.0
    }
}

/// A query text with its values.
#[must_use]
#[derive(Debug)]
pub struct Query {
    sql: SqlStr,
    values: Vec<Value>,
}

/// Creates a query without values.
pub fn query(sql: impl SqlSafeStr) -> Query {
    Query { sql: sql.into_sql_str(), values: Vec::new() }
}

/// Creates a query whose rows have one column.
pub fn query_scalar(sql: impl SqlSafeStr) -> Scalar {
    Scalar(query(sql))
}

/// Query of a driver.
type BoundQuery<DB> = sqlx::query::Query<'static, DB, <DB as Database>::Arguments>;

fn bound<DB>(sql: SqlStr, values: impl Iterator<Item = Value>) -> BoundQuery<DB>
where
    DB: Database,
    Option<i64>: Encode<'static, DB> + Type<DB>,
    Option<String>: Encode<'static, DB> + Type<DB>,
{
    values.fold(sqlx::query::<DB>(sql), |bound, value| match value {
        Value::Integer(number) => bound.bind(number),
        Value::Text(text) => bound.bind(text),
    })
}

impl Query {
    /// Adds a value.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    fn for_sqlite(self) -> BoundQuery<Sqlite> {
        bound(self.sql, self.values.into_iter())
    }

    fn for_postgres(self) -> BoundQuery<Postgres> {
        bound(self.sql, self.values.into_iter().map(Value::without_zeros))
    }

    /// Executes a statement.
    pub fn execute<'e>(self, target: impl Into<Target<'e>>) -> BoxFuture<'e, Result<StatementResult, sqlx::Error>> {
        let target = target.into();
        Box::pin(async move {
            let rows = match target {
                Target::Sqlite(connection) => self.for_sqlite().execute(connection).await?.rows_affected(),
                Target::SqlitePool(pool) => self.for_sqlite().execute(pool).await?.rows_affected(),
                Target::Postgres(connection) => self.for_postgres().execute(connection).await?.rows_affected(),
                Target::PostgresPool(pool) => {
                    self.for_postgres().execute(pool).await.map_err(unanswered)?.rows_affected()
                }
            };
            Ok(StatementResult(rows))
        })
    }

    /// Returns all rows.
    pub fn fetch_all<'e>(self, target: impl Into<Target<'e>>) -> BoxFuture<'e, Result<Vec<Row>, sqlx::Error>> {
        let target = target.into();
        Box::pin(async move {
            Ok(match target {
                Target::Sqlite(connection) => of_sqlite(self.for_sqlite().fetch_all(connection).await?),
                Target::SqlitePool(pool) => of_sqlite(self.for_sqlite().fetch_all(pool).await?),
                Target::Postgres(connection) => of_postgres(self.for_postgres().fetch_all(connection).await?),
                Target::PostgresPool(pool) => {
                    of_postgres(self.for_postgres().fetch_all(pool).await.map_err(unanswered)?)
                }
            })
        })
    }

    /// Returns the first row, if any.
    pub fn fetch_optional<'e>(self, target: impl Into<Target<'e>>) -> BoxFuture<'e, Result<Option<Row>, sqlx::Error>> {
        let target = target.into();
        Box::pin(async move {
            Ok(match target {
                Target::Sqlite(connection) => self.for_sqlite().fetch_optional(connection).await?.map(Row::Sqlite),
                Target::SqlitePool(pool) => self.for_sqlite().fetch_optional(pool).await?.map(Row::Sqlite),
                Target::Postgres(connection) => {
                    self.for_postgres().fetch_optional(connection).await?.map(Row::Postgres)
                }
                Target::PostgresPool(pool) => {
                    self.for_postgres().fetch_optional(pool).await.map_err(unanswered)?.map(Row::Postgres)
                }
            })
        })
    }

    /// Returns the first row.
    pub fn fetch_one<'e>(self, target: impl Into<Target<'e>>) -> BoxFuture<'e, Result<Row, sqlx::Error>> {
        let found = self.fetch_optional(target);
        Box::pin(async move { found.await?.ok_or(sqlx::Error::RowNotFound) })
    }

    /// Streams the rows, without keeping any.
    pub fn fetch(self, connection: &mut Connection) -> BoxStream<'_, Result<Row, sqlx::Error>> {
        match connection {
            Connection::Sqlite(held) => self.for_sqlite().fetch(held.driver()).map_ok(Row::Sqlite).boxed(),
            Connection::Postgres(held) => self.for_postgres().fetch(held.driver()).map_ok(Row::Postgres).boxed(),
        }
    }
}

fn of_sqlite(rows: Vec<sqlx::sqlite::SqliteRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Sqlite).collect()
}

fn of_postgres(rows: Vec<sqlx::postgres::PgRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Postgres).collect()
}

/// Query whose rows have one column.
#[must_use]
#[derive(Debug)]
pub struct Scalar(Query);

impl Scalar {
    /// Adds a value.
    pub fn bind(self, value: impl Into<Value>) -> Self {
        Self(self.0.bind(value))
    }

    /// Returns the column of all rows.
    pub fn fetch_all<'e, T: ColumnValue>(
        self,
        target: impl Into<Target<'e>>,
    ) -> BoxFuture<'e, Result<Vec<T>, sqlx::Error>> {
        let rows = self.0.fetch_all(target);
        Box::pin(async move { rows.await?.iter().map(T::read).collect::<Result<Vec<T>, sqlx::Error>>() })
    }

    /// Returns the column of the first row, if any.
    pub fn fetch_optional<'e, T: ColumnValue>(
        self,
        target: impl Into<Target<'e>>,
    ) -> BoxFuture<'e, Result<Option<T>, sqlx::Error>> {
        let row = self.0.fetch_optional(target);
        Box::pin(async move { row.await?.as_ref().map(T::read).transpose() })
    }

    /// Returns the column of the first row.
    pub fn fetch_one<'e, T: ColumnValue>(self, target: impl Into<Target<'e>>) -> BoxFuture<'e, Result<T, sqlx::Error>> {
        let row = self.0.fetch_one(target);
        Box::pin(async move { T::read(&row.await?) })
    }
}
