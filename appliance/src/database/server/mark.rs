//! File of the data folder that records that the data is in a server: the server, the database, and whether the
//! database had data. It keeps a console from starting with a file or an empty database in place of its data.

use std::path::Path;

use landfall_error_codes::codes;
use landfall_media::durable;

use super::Settings;
use crate::error::{Context as _, Error, Result};

/// Name of the file.
pub const MARK: &str = "console.postgresql";
/// Last line, if the database had people or a log.
const USED: &str = "used";

/// Content of the file, one line each. Earlier versions wrote only the first line.
struct Mark {
    /// The server, as named in the settings.
    server: String,
    /// Name of the database.
    database: Option<String>,
    /// True if the database had people or a log.
    was_used: bool,
}

/// Writes the file for the database with which a console starts.
pub fn write(folder: &Path, settings: &Settings, is_used: bool) -> Result<()> {
    let mark = folder.join(MARK);
    let used = if is_used { format!("{USED}\n") } else { String::new() };
    let text = format!("{}\n{}\n{used}", settings.server, settings.database);
    let failed = || format!("{} cannot be written", mark.display());
    durable::write_file(&mark, text.as_bytes(), 0o600).context(codes::APPLIANCE_DATABASE, failed)
}

/// Returns true if a console has started with a server's database on this data folder.
pub fn has_begun(folder: &Path) -> bool {
    folder.join(MARK).exists()
}

/// Reads the file of this data folder; `None` if no console started with a server.
fn read(folder: &Path) -> Result<Option<Mark>> {
    let mark = folder.join(MARK);
    if !mark.exists() {
        return Ok(None);
    }
    let failed = || format!("{} cannot be read", mark.display());
    let text = fs_err::read_to_string(&mark).context(codes::APPLIANCE_DATABASE, failed)?;
    let mut lines = text.lines().map(str::to_owned);
    let server = lines.next().unwrap_or_default();
    let database = lines.next();
    Ok(Some(Mark { server, database, was_used: lines.next().is_some_and(|line| line == USED) }))
}

/// Returns an error if a console would start with a file although its data is in a server that the settings no longer
/// name.
pub fn refuse_if_elsewhere(folder: &Path) -> Result<()> {
    let Some(Mark { server, .. }) = read(folder)? else { return Ok(()) };
    let what = format!("the console's data is in {server}, and no settings name a server");
    Err(Error::new(codes::APPLIANCE_DATABASE_ELSEWHERE, what))
}

/// Returns an error if the settings name another server than the one with which the console on this data folder
/// started.
pub fn refuse_if_in_another(folder: &Path, settings: &Settings) -> Result<()> {
    let Some(Mark { server, .. }) = read(folder)?.filter(|mark| !settings.names_as(&mark.server)) else {
        return Ok(());
    };
    let what = format!(
        "the console's data is in {server}, and the settings name {}, which the console uses after its next start",
        settings.server
    );
    Err(Error::new(codes::APPLIANCE_DATABASE_ELSEWHERE, what))
}

/// Returns an error if the database is unused although the console on this data folder had its data in another one, or
/// in this one.
pub fn refuse_if_emptied(folder: &Path, settings: &Settings) -> Result<()> {
    let Some(Mark { server, database, was_used }) = read(folder)? else { return Ok(()) };
    let is_same = settings.names_as(&server) && database.as_ref().is_none_or(|name| *name == settings.database);
    if is_same && !was_used {
        return Ok(());
    }
    let before = database.map(|name| format!("the database {name} of ")).unwrap_or_default();
    let what = format!(
        "the database {} of {} has neither people nor a log, and the console had its data in {before}{server}",
        settings.database, settings.server
    );
    Err(Error::new(codes::APPLIANCE_DATABASE_EMPTIED, what))
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;

    use super::super::fixture::Lease;
    use super::*;
    use crate::database::Database;
    use crate::testing::note;

    #[tokio::test]
    async fn empty_database_replaces_no_data() {
        let (lease, other, folder) = (Lease::new().await, Lease::new().await, tempfile::tempdir().unwrap());
        // An unused database is started again.
        for _ in 0..2 {
            Database::open_in(folder.path(), &lease.storage()).await.unwrap().close().await;
        }
        let before = format!("in the database {} of tls://127.0.0.1", lease.name);
        let refused = async |named: &Lease| {
            let error = Database::open_in(folder.path(), &named.storage()).await.expect_err("it begins");
            assert_eq!(error.code(), codes::APPLIANCE_DATABASE_EMPTIED, "{error}");
            assert!(error.to_string().contains(&before), "{error}");
        };
        refused(&other).await;
        let database = Database::open_in(folder.path(), &lease.storage()).await.unwrap();
        note(&database, "entry").await;
        database.close().await;
        Database::open_in(folder.path(), &lease.storage()).await.unwrap().close().await;
        refused(&other).await;
        // The database was recreated, and the earlier file still exists.
        sqlx::query("TRUNCATE users, audit CASCADE").execute(&mut lease.superuser().await).await.unwrap();
        let apart = tempfile::tempdir().unwrap();
        Database::open(apart.path()).await.unwrap().close().await;
        durable::rename(&apart.path().join("console.db"), &folder.path().join("console.db")).unwrap();
        refused(&lease).await;
        assert!(folder.path().join("console.db").exists());
        // A person decides.
        durable::remove_file(&folder.path().join("console.db")).unwrap();
        durable::remove_file(&folder.path().join(MARK)).unwrap();
        Database::open_in(folder.path(), &other.storage()).await.unwrap().close().await;
    }

    #[tokio::test]
    async fn earlier_mark_names_server_only() {
        let (lease, folder) = (Lease::new().await, tempfile::tempdir().unwrap());
        let put = |server: &str| {
            durable::write_file(&folder.path().join(MARK), format!("{server}\n").as_bytes(), 0o600).unwrap();
        };
        put("tcp://192.0.2.41");
        let error = Database::open_in(folder.path(), &lease.storage()).await.expect_err("it begins");
        assert_eq!(error.code(), codes::APPLIANCE_DATABASE_EMPTIED, "{error}");
        assert!(error.to_string().ends_with("had its data in tcp://192.0.2.41"), "{error}");
        put(&lease.plain());
        Database::open_in(folder.path(), &lease.storage()).await.unwrap().close().await;
    }
}
