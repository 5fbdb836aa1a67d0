//! Connections to both databases, and the targets of queries.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::{
    Connection as _, Database, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction,
};

use crate::task::spawn_for_request;

/// Statement that begins a consistent read in PostgreSQL, as SQLite's reads are.
pub const ONE_MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Connection to one of the two databases.
pub enum Connection {
    /// Connection to SQLite.
    Sqlite(HeldConnection<Sqlite>),
    /// Connection to PostgreSQL.
    Postgres(HeldConnection<Postgres>),
}

/// Ownership of a connection. Its use ends when it is dropped.
pub enum HeldConnection<DB: Database> {
    /// Connection that returns to its pool.
    Pooled(PoolConnection<DB>),
    /// Connection in a transaction, which is rolled back unless it is committed.
    Open(Transaction<'static, DB>),
    /// Connection without a pool.
    Own(Box<DB::Connection>),
}

impl<DB: Database> HeldConnection<DB> {
    /// Returns the driver's connection.
    pub fn driver(&mut self) -> &mut DB::Connection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Open(transaction) => transaction,
            Self::Own(connection) => connection,
        }
    }
}

impl Connection {
    /// Wraps a connection to a file, without a pool.
    pub fn to_file(connection: SqliteConnection) -> Self {
        Self::Sqlite(HeldConnection::Own(Box::new(connection)))
    }

    /// Wraps a connection to a server, without a pool.
    pub fn to_server(connection: PgConnection) -> Self {
        Self::Postgres(HeldConnection::Own(Box::new(connection)))
    }

    /// Returns the driver's connection, if it is SQLite's.
    pub fn sqlite(&mut self) -> Option<&mut SqliteConnection> {
        match self {
            Self::Sqlite(held) => Some(held.driver()),
            Self::Postgres(_) => None,
        }
    }

    /// Closes a connection without a pool; any other returns to its pool.
    pub async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(HeldConnection::Own(connection)) => connection.close().await,
            Self::Postgres(HeldConnection::Own(connection)) => connection.close().await,
            Self::Sqlite(HeldConnection::Pooled(_) | HeldConnection::Open(_))
            | Self::Postgres(HeldConnection::Pooled(_) | HeldConnection::Open(_)) => Ok(()),
        }
    }
}

/// Transaction that may write. It is rolled back unless it is committed.
pub struct Write(Connection);

impl Write {
    /// Wraps a transaction of SQLite.
    pub fn of_sqlite(transaction: Transaction<'static, Sqlite>) -> Self {
        Self(Connection::Sqlite(HeldConnection::Open(transaction)))
    }

    /// Wraps a transaction of PostgreSQL.
    pub fn of_postgres(transaction: Transaction<'static, Postgres>) -> Self {
        Self(Connection::Postgres(HeldConnection::Open(transaction)))
    }

    /// Commits the transaction, durably.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Connection::Sqlite(HeldConnection::Open(transaction)) => transaction.commit().await,
            Connection::Postgres(HeldConnection::Open(transaction)) => transaction.commit().await,
            Connection::Sqlite(HeldConnection::Pooled(_) | HeldConnection::Own(_))
            | Connection::Postgres(HeldConnection::Pooled(_) | HeldConnection::Own(_)) => {
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

/// Pool of reusable connections.
#[derive(Debug, Clone)]
pub enum Pool {
    /// Pool of SQLite.
    Sqlite(SqlitePool),
    /// Pool of PostgreSQL.
    Postgres(PgPool),
}

impl Pool {
    /// Acquires a connection.
    pub async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => Connection::Sqlite(HeldConnection::Pooled(pool.acquire().await?)),
            Self::Postgres(pool) => {
                Connection::Postgres(HeldConnection::Pooled(pool.acquire().await.map_err(unanswered)?))
            }
        })
    }

    /// Acquires a connection that reads a single moment: it does not see later writes.
    pub async fn begin(&self) -> Result<Connection, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => Connection::Sqlite(HeldConnection::Open(pool.begin().await?)),
            Self::Postgres(pool) => {
                Connection::Postgres(HeldConnection::Open(begin(pool, ONE_MOMENT).await.map_err(unanswered)?))
            }
        })
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }

    /// Returns the driver's pool, which must be SQLite's.
    #[cfg(test)]
    pub fn sqlite(&self) -> &SqlitePool {
        match self {
            Self::Sqlite(pool) => pool,
            Self::Postgres(_) => panic!("it is PostgreSQL's"),
        }
    }
}

/// Interprets the timeout of acquiring a connection for reading. Reading is quick, so no connection to the server could
/// be made. sqlx retries while the server starts, or has as many connections as it accepts. Writers may instead wait
/// for each other.
pub(super) fn unanswered(error: sqlx::Error) -> sqlx::Error {
    match error {
        sqlx::Error::PoolTimedOut => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
        other => other,
    }
}

/// Begins a transaction of PostgreSQL, which is rolled back even if the caller has given up.
///
/// sqlx 0.9.0 counts a transaction once the server has answered. A caller that is dropped before that would leave the
/// connection in a transaction unknown to sqlx. Its next reader would see the same moment forever. Therefore a separate
/// task waits.
pub async fn begin(pool: &PgPool, statement: &'static str) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let pool = pool.clone();
    let begun = spawn_for_request(async move { pool.begin_with(statement).await });
    // The task ends early only with the runtime.
    begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// Target of a query.
pub enum Target<'e> {
    /// Connection to SQLite.
    Sqlite(&'e mut SqliteConnection),
    /// Any connection of a pool of SQLite.
    SqlitePool(&'e SqlitePool),
    /// Connection to PostgreSQL.
    Postgres(&'e mut PgConnection),
    /// Any connection of a pool of PostgreSQL.
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
    use crate::queries::{code_of, query_scalar};

    #[tokio::test]
    async fn full_server_is_silent() {
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
