//! Rows, and what is read from them.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Decode, Postgres, Row as _, Sqlite, Type};

/// A row of one of the two databases.
pub enum Row {
    /// Of SQLite.
    Sqlite(SqliteRow),
    /// Of PostgreSQL.
    Postgres(PgRow),
}

impl Row {
    /// The value of a column, by its number or its name.
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

/// What the only column of a row may be.
pub trait Read: Sized + Send + 'static {
    /// Reads it.
    fn read(row: &Row) -> Result<Self, sqlx::Error>;
}

impl Read for i64 {
    fn read(row: &Row) -> Result<Self, sqlx::Error> {
        row.try_get(0)
    }
}

impl Read for String {
    fn read(row: &Row) -> Result<Self, sqlx::Error> {
        row.try_get(0)
    }
}
