//! Connections of both databases, and what a query may be sent to.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::{
    Connection as _, Database, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction,
};

use crate::task::spawn_for_request;

/// Begins a look at one moment of PostgreSQL, as SQLite's are.
pub const ONE_MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A connection to one of the two databases.
pub enum Connection {
    /// To SQLite.
    Sqlite(Held<Sqlite>),
    /// To PostgreSQL.
    Postgres(Held<Postgres>),
}

/// How a connection is held. What it was given for ends when it is dropped.
pub enum Held<DB: Database> {
    /// It returns to its pool.
    Pooled(PoolConnection<DB>),
    /// It is in a transaction, which is undone unless it is committed.
    Open(Transaction<'static, DB>),
    /// It belongs to no pool.
    Own(Box<DB::Connection>),
}

impl<DB: Database> Held<DB> {
    /// The connection of the driver.
    pub fn driver(&mut self) -> &mut DB::Connection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Open(transaction) => transaction,
            Self::Own(connection) => connection,
        }
    }
}

impl Connection {
    /// A connection to a file, of no pool.
    pub fn to_file(connection: SqliteConnection) -> Self {
        Self::Sqlite(Held::Own(Box::new(connection)))
    }

    /// A connection to a server, of no pool.
    pub fn to_server(connection: PgConnection) -> Self {
        Self::Postgres(Held::Own(Box::new(connection)))
    }

    /// The driver's connection, where it is to SQLite.
    pub fn sqlite(&mut self) -> Option<&mut SqliteConnection> {
        match self {
            Self::Sqlite(held) => Some(held.driver()),
            Self::Postgres(_) => None,
        }
    }

    /// Closes a connection of no pool; another one returns to its pool.
    pub async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(Held::Own(connection)) => connection.close().await,
            Self::Postgres(Held::Own(connection)) => connection.close().await,
            Self::Sqlite(Held::Pooled(_) | Held::Open(_)) | Self::Postgres(Held::Pooled(_) | Held::Open(_)) => Ok(()),
        }
    }
}

/// A transaction that may write. It is undone unless it is committed.
pub struct Write(Connection);

impl Write {
    /// One of SQLite.
    pub(in crate::database) fn of_sqlite(transaction: Transaction<'static, Sqlite>) -> Self {
        Self(Connection::Sqlite(Held::Open(transaction)))
    }

    /// One of PostgreSQL.
    pub(in crate::database) fn of_postgres(transaction: Transaction<'static, Postgres>) -> Self {
        Self(Connection::Postgres(Held::Open(transaction)))
    }

    /// Makes what was written count. It is on the disk when this returns.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Connection::Sqlite(Held::Open(transaction)) => transaction.commit().await,
            Connection::Postgres(Held::Open(transaction)) => transaction.commit().await,
            Connection::Sqlite(Held::Pooled(_) | Held::Own(_))
            | Connection::Postgres(Held::Pooled(_) | Held::Own(_)) => {
                Err(sqlx::Error::Protocol("no transaction is open".to_owned()))
            }
        }
    }
}

impl Deref for Write {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

/// Connections that are used again.
#[derive(Debug, Clone)]
pub enum Pool {
    /// To SQLite.
    Sqlite(SqlitePool),
    /// To PostgreSQL.
    Postgres(PgPool),
}

impl Pool {
    /// A connection.
    pub async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => Connection::Sqlite(Held::Pooled(pool.acquire().await?)),
            Self::Postgres(pool) => Connection::Postgres(Held::Pooled(pool.acquire().await.map_err(unanswered)?)),
        })
    }

    /// A connection that reads one moment: what is written meanwhile, it does not see.
    pub async fn begin(&self) -> Result<Connection, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => Connection::Sqlite(Held::Open(pool.begin().await?)),
            Self::Postgres(pool) => {
                Connection::Postgres(Held::Open(begin(pool, ONE_MOMENT).await.map_err(unanswered)?))
            }
        })
    }

    /// Closes all of them.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }

    /// The driver's pool, where it is SQLite's.
    #[cfg(test)]
    pub fn sqlite(&self) -> &SqlitePool {
        match self {
            Self::Sqlite(pool) => pool,
            Self::Postgres(_) => panic!("it is PostgreSQL's"),
        }
    }
}

/// What it means that no connection for reading was had in time. Reading is quick, so none of a server could be made: sqlx tries again and
/// again while the server begins, or has as many as it takes. Those that write may wait for each other instead.
pub(super) fn unanswered(error: sqlx::Error) -> sqlx::Error {
    match error {
        sqlx::Error::PoolTimedOut => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
        other => other,
    }
}

/// Begins a transaction of PostgreSQL, which is undone also where the caller has given up meanwhile.
///
/// sqlx 0.9.0 counts a transaction once the server has answered. A caller that is dropped before that would leave the connection in a
/// transaction that sqlx does not know of: whoever reads with it next would see one moment forever. So a task of its own waits.
pub(in crate::database) async fn begin(
    pool: &PgPool,
    statement: &'static str,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let pool = pool.clone();
    let begun = spawn_for_request(async move { pool.begin_with(statement).await });
    // The task ends early only with the runtime.
    begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// What a query is sent to.
pub enum Target<'e> {
    /// A connection to SQLite.
    Sqlite(&'e mut SqliteConnection),
    /// Any of those to SQLite.
    SqlitePool(&'e SqlitePool),
    /// A connection to PostgreSQL.
    Postgres(&'e mut PgConnection),
    /// Any of those to PostgreSQL.
    PostgresPool(&'e PgPool),
}

impl<'e> From<&'e mut Connection> for Target<'e> {
    fn from(connection: &'e mut Connection) -> Self {
        match connection {
            Connection::Sqlite(held) => Self::Sqlite(held.driver()),
            Connection::Postgres(held) => Self::Postgres(held.driver()),
        }
    }
}

impl<'e> From<&'e Pool> for Target<'e> {
    fn from(pool: &'e Pool) -> Self {
        match pool {
            Pool::Sqlite(pool) => Self::SqlitePool(pool),
            Pool::Postgres(pool) => Self::PostgresPool(pool),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use landfall_error_codes::codes;
    use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
    use tokio::net::TcpListener;

    use super::*;
    use crate::database::{code_of, query_scalar};

    #[tokio::test]
    async fn a_server_that_lets_nobody_in_is_silent_and_not_locked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port).username("console");
        let pool = PgPoolOptions::new().acquire_timeout(Duration::from_millis(100)).connect_lazy_with(options);
        let pool = Pool::Postgres(pool);
        let silent = |error: Option<sqlx::Error>| code_of(&error.unwrap()) == codes::APPLIANCE_SERVER_SILENT;
        assert!(silent(pool.acquire().await.err()));
        assert!(silent(pool.begin().await.err()));
        assert!(silent(query_scalar("SELECT 1").fetch_one::<i64>(&pool).await.err()));
    }
}
