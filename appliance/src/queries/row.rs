//! Rows, and their columns.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Decode, Postgres, Row as _, Sqlite, Type};

/// A row of one of the two databases.
pub enum Row {
    /// Row of SQLite.
    Sqlite(SqliteRow),
    /// Row of PostgreSQL.
    Postgres(PgRow),
}

impl Row {
    /// Returns the value of a column, by its number or its name.
    pub fn try_get<'r, T, I>(&'r self, index: I) -> Result<T, sqlx::Error>
    where
        I: ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(index),
            Self::Postgres(row) => row.try_get(index),
        }
    }
}

/// Type that the only column of a row may have.
pub trait ColumnValue: Sized + Send + 'static {
    /// Reads the column.
    fn read(row: &Row) -> Result<Self, sqlx::Error>;
}

impl ColumnValue for i64 {
    fn read(row: &Row) -> Result<Self, sqlx::Error> {
        row.try_get(0)
    }
}

impl ColumnValue for String {
    fn read(row: &Row) -> Result<Self, sqlx::Error> {
        row.try_get(0)
    }
}
