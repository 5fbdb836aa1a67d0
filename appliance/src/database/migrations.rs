//! The schema, as numbered changes in both directions for each of the two databases, embedded in the program.

use landfall_error_codes::{Code, codes};
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{PgConnection, SqlitePool};

use super::{APPLICATION_ID, Connection};
use crate::error::{Context as _, Error, Result};
use crate::queries::code_of;

/// A change of the schema.
struct Change {
    number: i64,
    name: &'static str,
    /// SQL for SQLite that makes the change, and that undoes it.
    sqlite: [&'static str; 2],
    /// SQL for PostgreSQL that makes the change, and that undoes it.
    postgresql: [&'static str; 2],
}

macro_rules! both {
    ($kind:literal, $name:literal) => {
        [
            include_str!(concat!("../../migrations/", $kind, "/", $name, ".up.sql")),
            include_str!(concat!("../../migrations/", $kind, "/", $name, ".down.sql")),
        ]
    };
}

macro_rules! changes {
    ($($number:literal $name:literal;)*) => {
        /// All changes of the schema.
        const CHANGES: &[Change] = &[$(Change {
            number: $number,
            name: $name,
            sqlite: both!("sqlite", $name),
            postgresql: both!("postgresql", $name),
        }),*];
    };
}

changes! {
    1 "0001_people";
    2 "0002_audit";
    3 "0003_directory";
    4 "0004_checkpoints";
    5 "0005_two_people";
    6 "0006_forwarded";
    7 "0007_trend";
    8 "0008_proven";
}

/// Returns the number of the newest change.
pub fn newest() -> i64 {
    CHANGES.iter().map(|change| change.number).max().unwrap_or_default()
}

/// Returns the changes for SQLite.
pub fn migrator() -> Migrator {
    migrator_with(|change| change.sqlite)
}

/// Returns the changes for PostgreSQL.
pub fn server_migrator() -> Migrator {
    migrator_with(|change| change.postgresql)
}

fn migrator_with(texts: impl Fn(&Change) -> [&'static str; 2]) -> Migrator {
    let step = |change: &Change, kind, sql: &'static str| {
        Migration::new(change.number, change.name.into(), kind, sql.into_sql_str(), false)
    };
    let both = CHANGES.iter().flat_map(|change| {
        let [up, down] = texts(change);
        [step(change, MigrationType::ReversibleUp, up), step(change, MigrationType::ReversibleDown, down)]
    });
    Migrator::with_migrations(both.collect())
}

/// Upgrades a file to this version's schema. A file of a newer version is refused and not changed.
pub async fn up(pool: &SqlitePool) -> Result<()> {
    migrator().run(pool).await.map_err(|error| not_changed(error, codes::APPLIANCE_DATABASE))?;
    let owner: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(pool).await?;
    if owner != APPLICATION_ID {
        sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION_ID}"))).execute(pool).await?;
    }
    Ok(())
}

/// Like [`up`], for a server's database. If several consoles start at the same time, one makes the changes.
pub async fn up_server(connection: &mut PgConnection) -> Result<()> {
    let changed = server_migrator().run(connection).await;
    changed.map_err(|error| not_changed(error, codes::APPLIANCE_SCHEMA))
}

fn not_changed(error: MigrateError, otherwise: Code) -> Error {
    match error {
        MigrateError::VersionMissing(version) => {
            let what = format!("the database has schema {version}, and this version knows {}", newest());
            Error::new(codes::APPLIANCE_DATABASE_NEWER, what)
        }
        other => {
            let code = code_of_change(&other, otherwise);
            Error::new(code, "the database's schema cannot be brought up to date").because(other)
        }
    }
}

/// Returns the error code of a failed schema change, which is a query like any other.
fn code_of_change(error: &MigrateError, otherwise: Code) -> Code {
    let code = match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => code_of(error),
        _ => otherwise,
    };
    if code == codes::APPLIANCE_DATABASE { otherwise } else { code }
}

/// Returns the number of a database's schema. Fails unless its changes are exactly those of this version.
pub async fn version_of(connection: &mut Connection) -> Result<i64> {
    match connection {
        Connection::Sqlite(held) => version(held.driver(), &migrator()).await,
        Connection::Postgres(held) => version(held.driver(), &server_migrator()).await,
    }
}

/// Like [`version_of`], for a driver's connection.
pub async fn version<C: Migrate>(connection: &mut C, known: &Migrator) -> Result<i64> {
    let refused = || "the list of schema changes cannot be read".to_owned();
    let table = Migrator::DEFAULT.table_name;
    let applied = connection.list_applied_migrations(&table).await.context(codes::APPLIANCE_SNAPSHOT, refused)?;
    for (index, change) in applied.iter().enumerate() {
        let own = known.iter().find(|own| own.version == change.version && own.migration_type.is_up_migration());
        let own = own.ok_or_else(|| {
            let what = format!("the database has schema {}, and this version knows {}", change.version, newest());
            Error::new(codes::APPLIANCE_DATABASE_NEWER, what)
        })?;
        let is_next = usize::try_from(change.version).is_ok_and(|number| number == index + 1);
        if own.checksum != change.checksum || !is_next {
            let what = format!("change {} of the schema is not this program's", change.version);
            return Err(Error::new(codes::APPLIANCE_SNAPSHOT, what));
        }
    }
    Ok(applied.last().map_or(0, |last| last.version))
}
