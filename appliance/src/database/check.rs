//! What a database holds, after it was found sound.

use std::path::Path;

use landfall_error_codes::codes;

use super::inspect::{close, inspect_connection, open};
use super::queries::ONE_MOMENT;
use super::{Connection, Storage, file, migrations, query, query_scalar, server};
use crate::audit::Chain;
use crate::error::{Error, Result};

/// How much a database holds.
#[derive(Debug)]
pub struct Counts {
    /// Number of its schema.
    pub schema: i64,
    /// Users.
    pub users: i64,
    /// Administrators among them.
    pub administrators: i64,
    /// Sessions, ended ones included.
    pub sessions: i64,
    /// API keys, ended ones included.
    pub keys: i64,
    /// The audit log.
    pub audit: Chain,
}

/// Checks the database of a data folder, or of a server, and counts what it holds. Changes nothing.
pub async fn check(folder: &Path, storage: &Storage) -> Result<Counts> {
    match storage {
        Storage::File => check_file(&file(folder)).await,
        Storage::Server(settings) => {
            let server::Reached { relay, connection, .. } = server::reach(settings).await?;
            let mut connection = Connection::to_server(connection);
            query(ONE_MOMENT).execute(&mut connection).await?;
            let counted = count(&mut connection).await;
            close(connection).await;
            relay.close();
            counted
        }
    }
}

async fn check_file(path: &Path) -> Result<Counts> {
    if !path.exists() {
        return Err(Error::new(codes::APPLIANCE_DATABASE, format!("{} does not exist", path.display())));
    }
    let mut connection = open(path).await?;
    let counted = count(&mut connection).await;
    close(connection).await;
    counted
}

async fn count(connection: &mut Connection) -> Result<Counts> {
    let audit = inspect_connection(connection).await?;
    let schema = migrations::version_of(connection).await?;
    let administrators = "SELECT count(*) FROM users WHERE role = 'administrator'";
    Ok(Counts {
        schema,
        users: query_scalar("SELECT count(*) FROM users").fetch_one(&mut *connection).await?,
        administrators: query_scalar(administrators).fetch_one(&mut *connection).await?,
        sessions: query_scalar("SELECT count(*) FROM sessions").fetch_one(&mut *connection).await?,
        keys: query_scalar("SELECT count(*) FROM api_keys").fetch_one(&mut *connection).await?,
        audit,
    })
}
