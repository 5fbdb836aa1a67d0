mod trouble;

use std::path::Path;

use landfall_error_codes::{CodedError as _, codes};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _, SqliteConnection};

use super::*;
use crate::audit::Chain;
use crate::testing;

async fn tables(connection: &mut SqliteConnection) -> Vec<String> {
    let rows = sqlx::query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetch_all(connection);
    rows.await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn connections_never_expire() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await.unwrap();
    for pool in [&database.writer, &database.readers] {
        let options = pool.sqlite().options();
        assert_eq!((options.get_idle_timeout(), options.get_max_lifetime()), (None, None));
    }
}

#[tokio::test]
async fn migrations_go_up_and_down() {
    let migrator: Migrator = migrations::migrator();
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
    for version in 1..=migrations::newest() {
        let mut before = tables(&mut connection).await;
        migrator.run_to(version, &mut connection).await.unwrap();
        let after = tables(&mut connection).await;
        migrator.undo(&mut connection, version - 1).await.unwrap();
        if version == 1 {
            before.push("_sqlx_migrations".to_owned());
        }
        assert_eq!(tables(&mut connection).await, before, "change {version} is not undone");
        migrator.run_to(version, &mut connection).await.unwrap();
        assert_eq!(tables(&mut connection).await, after);
    }
    assert_eq!(
        tables(&mut connection).await,
        [
            "_sqlx_migrations",
            "api_keys",
            "approvals",
            "audit",
            "audit_checkpoints",
            "audit_forwarded",
            "counted_users",
            "sessions",
            "trend",
            "two_people",
            "users"
        ]
    );
}

async fn saved(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    save(folder, &Storage::File, &mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn live_snapshot_restores_same_database() {
    let site = testing::Site::begin().await;
    let session = site.sign_in("root").await;
    assert!(session.get("/account").await.is_success());
    let writing = tokio::spawn({
        let database = site.context.database.clone();
        async move {
            for number in 0..50 {
                testing::note(&database, &format!("entry {number}")).await;
            }
        }
    });
    let bytes = saved(site.data.path()).await;
    writing.await.unwrap();
    let target = tempfile::tempdir().unwrap();
    load(target.path(), &Storage::File, &mut &bytes[..]).await.unwrap();
    let counts = check(target.path(), &Storage::File).await.unwrap();
    assert_eq!((counts.users, counts.administrators, counts.sessions), (3, 1, 0));
    let again = load(target.path(), &Storage::File, &mut &bytes[..]).await.unwrap_err();
    assert_eq!(again.code(), codes::APPLIANCE_DATA_OCCUPIED);
    let names: Vec<_> = fs_err::read_dir(site.data.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().contains("saving")), "{names:?}");
    let reopened = Database::open(target.path()).await.unwrap();
    testing::note(&reopened, "after the load").await;
}

/// Returns the refusal of `load` for a snapshot in which this SQL was executed.
async fn refusal_of(bytes: &[u8], sql: &str) -> landfall_error_codes::Code {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edited.db");
    landfall_media::durable::write_file(&path, bytes, 0o600).unwrap();
    let mut connection = SqliteConnectOptions::new().filename(&path).foreign_keys(false).connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    refusal(&fs_err::read(&path).unwrap()).await
}

async fn refusal(bytes: &[u8]) -> landfall_error_codes::Code {
    let target = tempfile::tempdir().unwrap();
    let error = load(target.path(), &Storage::File, &mut &*bytes).await.expect_err("it was loaded");
    assert_eq!(fs_err::read_dir(target.path()).unwrap().count(), 0, "the folder is no longer empty");
    error.code()
}

#[tokio::test]
async fn unsound_databases_are_refused() {
    let site = testing::Site::begin().await;
    let bytes = saved(site.data.path()).await;
    for text in [&b""[..], b"hello", &bytes[..100], &bytes[..bytes.len() / 2], &vec![0; 65536]] {
        assert_eq!(refusal(text).await, codes::APPLIANCE_SNAPSHOT);
    }
    for sql in [
        "PRAGMA application_id = 7",
        "CREATE TRIGGER spy AFTER INSERT ON users BEGIN DELETE FROM audit; END",
        "CREATE TABLE more (x)",
        "CREATE VIEW seen AS SELECT * FROM users",
        "ALTER TABLE users ADD COLUMN shell TEXT",
        "DROP TABLE audit",
        "INSERT INTO sessions VALUES ('i', 'h', 'nobody', 1, 1, 1, 'a', 'b', 1)",
        "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1",
        "DELETE FROM _sqlx_migrations WHERE version = 1",
    ] {
        assert_eq!(refusal_of(&bytes, sql).await, codes::APPLIANCE_SNAPSHOT, "{sql}");
    }
    let newer =
        "INSERT INTO _sqlx_migrations SELECT 99, 'later', installed_on, 1, checksum, 1 FROM _sqlx_migrations LIMIT 1";
    assert_eq!(refusal_of(&bytes, newer).await, codes::APPLIANCE_DATABASE_NEWER);
}

#[tokio::test]
async fn flipped_bytes_are_refused_or_harmless() {
    let site = testing::Site::begin().await;
    let bytes = saved(site.data.path()).await;
    let mut refused = 0;
    for place in (0..bytes.len()).step_by(509) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x41;
        let target = tempfile::tempdir().unwrap();
        if load(target.path(), &Storage::File, &mut &damaged[..]).await.is_err() {
            refused += 1;
            assert_eq!(fs_err::read_dir(target.path()).unwrap().count(), 0, "byte {place}");
        }
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn newer_database_stays_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await.unwrap();
    let newer =
        "INSERT INTO _sqlx_migrations SELECT 99, 'later', installed_on, 1, checksum, 1 FROM _sqlx_migrations LIMIT 1";
    sqlx::query(newer).execute(database.writer.sqlite()).await.unwrap();
    database.close().await;
    let error = Database::open(folder.path()).await.unwrap_err();
    assert_eq!(error.code(), codes::APPLIANCE_DATABASE_NEWER);
}

#[tokio::test]
async fn leftover_database_files_refuse_load() {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let target = tempfile::tempdir().unwrap();
        let old = target.path().join(format!("{FILE}{suffix}"));
        landfall_media::durable::write_file(&old, b"old", 0o600).unwrap();
        let error = load(target.path(), &Storage::File, &mut &b"x"[..]).await.unwrap_err();
        assert_eq!(error.code(), codes::APPLIANCE_DATA_OCCUPIED, "{suffix}");
    }
}

#[tokio::test]
async fn edited_audit_log_survives_as_evidence() {
    for sql in [
        "UPDATE audit SET entry = replace(entry, 'root', 'tooR') WHERE number = 1",
        "DELETE FROM audit WHERE number = 1",
    ] {
        let site = testing::Site::begin().await;
        assert_eq!(site.context.audit.broken_entry(), None);
        let mut write = site.context.database.write().await.unwrap();
        query(sql).execute(&mut *write).await.unwrap();
        write.commit().await.unwrap();
        site.context.audit.look(&site.context.database).await.unwrap();
        assert!(site.context.audit.broken_entry().is_some_and(|why| why.contains("entry 1")), "{sql}");

        let (mut bytes, target) = (Vec::new(), tempfile::tempdir().unwrap());
        let saved = save(site.data.path(), &Storage::File, &mut bytes).await.unwrap();
        let loaded = load(target.path(), &Storage::File, &mut &bytes[..]).await.unwrap();
        let checked = check(target.path(), &Storage::File).await.unwrap().audit;
        for chain in [saved, loaded, checked] {
            assert!(
                matches!(&chain, Chain::Broken(error) if error.to_string().contains("entry 1")),
                "{sql}: {chain:?}"
            );
        }
    }
}

#[tokio::test]
async fn unloadable_database_is_not_saved() {
    let site = testing::Site::begin().await;
    let mut write = site.context.database.write().await.unwrap();
    query("CREATE TABLE more (x)").execute(&mut *write).await.unwrap();
    write.commit().await.unwrap();
    let mut bytes = Vec::new();
    assert_eq!(save(site.data.path(), &Storage::File, &mut bytes).await.unwrap_err().code(), codes::APPLIANCE_SNAPSHOT);
    assert!(bytes.is_empty());
}
