//! Content of a database, after a successful check.

use std::path::Path;

use landfall_error_codes::codes;

use super::inspect::{close, inspect_connection, open};
use super::{Connection, Storage, file, migrations, query, query_scalar, server};
use crate::entries::Chain;
use crate::error::{Error, Result};
use crate::queries::ONE_MOMENT;

/// Counts of a database's content.
#[derive(Debug)]
pub struct Counts {
    /// Version of its schema.
    pub schema: i64,
    /// Number of users.
    pub users: i64,
    /// Number of administrators among them.
    pub administrators: i64,
    /// Number of sessions, including ended ones.
    pub sessions: i64,
    /// Number of API keys, including ended ones.
    pub keys: i64,
    /// State of the audit log.
    pub audit: Chain,
}

/// Checks the database of a data folder, or of a server, and counts its content. Changes nothing.
pub async fn check(folder: &Path, storage: &Storage) -> Result<Counts> {
    match storage {
        Storage::File => check_file(&file(folder)).await,
        Storage::Server(settings) => {
            let server::ServerConnection { relay, connection, .. } = server::reach(settings).await?;
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
