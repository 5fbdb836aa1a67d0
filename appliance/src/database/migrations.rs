//! The schema, as numbered changes in both directions. They are part of the program.

use landfall_error_codes::{Code, codes};
use sqlx::SqlitePool;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr as _, SqliteConnection};

use super::{APPLICATION_ID, code_of};
use crate::error::{Context as _, Error, Result};

macro_rules! migrations {
    ($($number:literal $name:literal;)*) => {
        /// Each change of the schema: number, name, SQL that makes it, SQL that undoes it.
        const MIGRATIONS: &[(i64, &str, &str, &str)] = &[$((
            $number,
            $name,
            include_str!(concat!("../../migrations/", $name, ".up.sql")),
            include_str!(concat!("../../migrations/", $name, ".down.sql")),
        )),*];
    };
}

migrations! {
    1 "0001_people";
    2 "0002_audit";
    3 "0003_directory";
    4 "0004_checkpoints";
    5 "0005_two_people";
    6 "0006_forwarded";
    7 "0007_trend";
}

/// Number of the newest change of the schema.
pub fn newest() -> i64 {
    MIGRATIONS.iter().map(|(number, ..)| *number).max().unwrap_or_default()
}

pub fn migrator() -> Migrator {
    let step = |number, name: &'static str, kind, sql: &'static str| {
        Migration::new(number, name.into(), kind, sql.into_sql_str(), false)
    };
    let both = MIGRATIONS.iter().flat_map(|(number, name, up, down)| {
        [step(*number, name, MigrationType::ReversibleUp, up), step(*number, name, MigrationType::ReversibleDown, down)]
    });
    Migrator::with_migrations(both.collect())
}

/// Brings a database to this version's schema. One of a newer version is refused and stays as it is.
pub async fn up(pool: &SqlitePool) -> Result<()> {
    migrator().run(pool).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => {
            let what = format!("the database has schema {version}, and this version knows {}", newest());
            Error::new(codes::APPLIANCE_DATABASE_NEWER, what)
        }
        other => {
            Error::new(code_of_change(&other), "the database's schema cannot be brought up to date").because(other)
        }
    })?;
    let owner: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(pool).await?;
    if owner != APPLICATION_ID {
        sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION_ID}"))).execute(pool).await?;
    }
    Ok(())
}

/// A change of the schema is a query like any other.
fn code_of_change(error: &MigrateError) -> Code {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => code_of(error),
        _ => codes::APPLIANCE_DATABASE,
    }
}

/// The number of a database's schema, if its changes are this version's, each of them as this version would make it.
pub async fn version(connection: &mut SqliteConnection) -> Result<i64> {
    let refused = || "the list of schema changes cannot be read".to_owned();
    let table = Migrator::DEFAULT.table_name;
    let applied = connection.list_applied_migrations(&table).await.context(codes::APPLIANCE_SNAPSHOT, refused)?;
    let known = migrator();
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
