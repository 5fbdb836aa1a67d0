//! PostgreSQL, if a site names a server. One console writes at a time. Each writing transaction holds a lock of the
//! database, so that the audit log has one end, whatever else is connected.

#[cfg(test)]
pub mod fixture;
mod former;
mod mark;
mod moved;
mod relay;
mod settings;
#[cfg(test)]
mod tests;
mod transfer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use landfall_error_codes::codes;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, Postgres, Row as _, Transaction};
use tokio::time::timeout;

use super::{Pool, Write, migrations, sqlite};
use crate::error::{Error, Result};
use crate::queries::{self, code_of};

#[cfg(test)]
pub use mark::MARK;
pub use mark::{has_begun, refuse_if_elsewhere, refuse_if_in_another};
pub use relay::Relay;
#[cfg(test)]
pub use settings::{PASSWORD, SETTINGS};
pub use settings::{Settings, State, read};
pub use transfer::{fill, write_snapshot};

/// Oldest supported version, in the server's numbering: 14.0.
const OLDEST: i32 = 140_000;
/// Lock of a writer: `LFCN`, as in the header of a file.
const WRITER: i64 = sqlite::APPLICATION_ID;
/// Time that the server may take to accept the first connection.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time that a statement waits for a lock.
const LOCK_TIMEOUT: &str = if cfg!(test) { "2s" } else { "10s" };
/// Settings by which the server notices that a console is gone, as after a power cut, and releases its locks. Its
/// system would wait for two hours. The limit is a minute. The console may read a long log only as fast as its disk
/// accepts it, and waiting data is also unacknowledged.
const NOTICED: [(&str, &str); 3] =
    [("tcp_keepalives_idle", "30"), ("tcp_keepalives_interval", "10"), ("tcp_user_timeout", "60000")];
/// With another isolation level, data read after taking the lock could be from before it.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// An open database of a server.
pub struct ServerPools {
    pub writer: Pool,
    pub readers: Pool,
    pub relay: Relay,
}

/// A verified connection to a server.
pub struct ServerConnection {
    pub relay: Relay,
    pub options: PgConnectOptions,
    pub connection: PgConnection,
}

/// Connects, and checks the server's version.
pub async fn reach(settings: &Arc<Settings>) -> Result<ServerConnection> {
    let relay = Relay::begin(settings.clone()).await?;
    let options = options(settings, relay.port());
    let late = |_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
    let connected = timeout(PATIENCE, options.connect()).await.unwrap_or_else(late);
    let mut connection = connected.map_err(|error| not_reached(settings, error, relay.failure()))?;
    check_server(&mut connection, settings).await?;
    Ok(ServerConnection { relay, options, connection })
}

/// Returns the options of every connection. Each commit is on the server's disk before it returns.
fn options(settings: &Settings, port: u16) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username(&settings.user)
        .password(&settings.password)
        .database(&settings.database)
        .ssl_mode(PgSslMode::Disable)
        .application_name("landfall-appliance")
        .options([("search_path", "public"), ("synchronous_commit", "on"), ("lock_timeout", LOCK_TIMEOUT)])
        .options(NOTICED)
}

fn not_reached(settings: &Settings, error: sqlx::Error, why: Option<String>) -> Error {
    let server = &settings.server;
    if let Some(why) = why {
        return Error::new(codes::APPLIANCE_SERVER_SILENT, format!("{server}: {why}"));
    }
    match code_of(&error) {
        code if code == codes::APPLIANCE_DATABASE => {
            let what = format!("{server} does not let the user {} in", settings.user);
            Error::new(codes::APPLIANCE_SERVER_REFUSES, what).because(error)
        }
        code => {
            let what = format!("the database {} of {server} cannot be opened", settings.database);
            Error::new(code, what).because(error)
        }
    }
}

async fn check_server(connection: &mut PgConnection, settings: &Settings) -> Result<()> {
    let asked = "SELECT CAST(current_setting('server_version_num') AS INTEGER), current_setting('server_version'), \
                 current_setting('server_encoding')";
    let row = sqlx::query(asked).fetch_one(connection).await?;
    judge((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?), settings)
}

/// Returns an error if a server of this version, or a database of this encoding, cannot be used.
fn judge((number, version, encoding): (i32, String, String), settings: &Settings) -> Result<()> {
    let server = &settings.server;
    if number < OLDEST {
        let what = format!("{server} is PostgreSQL {version}; {} is the oldest that is used", OLDEST / 10_000);
        return Err(Error::new(codes::APPLIANCE_SERVER_OLD, what));
    }
    if encoding != "UTF8" {
        let what = format!("the database {} of {server} has the encoding {encoding}, not UTF8", settings.database);
        return Err(Error::new(codes::APPLIANCE_SERVER_REFUSES, what));
    }
    Ok(())
}

/// Returns a pool of at most this many connections. They last as long as the pool, like those to a file: a broken one
/// is replaced.
fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(connections).idle_timeout(None).max_lifetime(None)
}

/// Opens the database, and upgrades it to this version's schema. The content of the data folder's file moves to a
/// database without people and log. Such a database is refused if the console on this data folder had its data in a
/// server.
pub async fn open(folder: &Path, settings: &Arc<Settings>) -> Result<ServerPools> {
    super::save::remove_leftovers(folder)?;
    let ServerConnection { relay, options, mut connection } = reach(settings).await?;
    migrations::up_server(&mut connection).await?;
    let _closed = connection.close().await;
    let writer = pool(1).connect_with(options.clone()).await?;
    if moved::is_unused_now(&writer).await? {
        mark::refuse_if_emptied(folder, settings)?;
    }
    moved::take_file(folder, &writer, settings).await?;
    mark::write(folder, settings, !moved::is_unused_now(&writer).await?)?;
    tracing::info!(server = settings.server, database = settings.database, "the data is in PostgreSQL");
    let readers = pool(sqlite::READERS).connect_lazy_with(options);
    Ok(ServerPools { writer: Pool::Postgres(writer), readers: Pool::Postgres(readers), relay })
}

/// Returns a connection that cannot write, and its relay. Changes nothing: the schema may be an earlier one.
pub async fn open_to_read(settings: &Arc<Settings>) -> Result<(Pool, Relay)> {
    let ServerConnection { relay, options, connection } = reach(settings).await?;
    let _closed = connection.close().await;
    let options = options.options([("default_transaction_read_only", "on")]);
    Ok((Pool::Postgres(pool(1).connect_lazy_with(options)), relay))
}

/// Begins a transaction of the pool that holds the writer's lock until its end.
pub async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let mut transaction = queries::begin(pool, BEGIN).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(WRITER).execute(&mut *transaction).await?;
    Ok(transaction)
}

/// Like [`begin`], as a transaction of either database.
pub async fn write(pool: &PgPool) -> Result<Write, sqlx::Error> {
    Ok(Write::of_postgres(begin(pool).await?))
}
