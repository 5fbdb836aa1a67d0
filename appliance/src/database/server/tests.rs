//! Tests against a real PostgreSQL and, if relevant, against both databases.

use axum::http::{Method, StatusCode};
use landfall_error_codes::{Code, CodedError as _};
use landfall_media::durable;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use super::fixture::Lease;
use super::transfer::TABLES;
use super::*;
use crate::audit::{Author, Chain, Event, page, record};
use crate::database::{Connection, Database, Storage, check, load, query, query_scalar, save};
use crate::error::Error;
use crate::testing::{PASSWORD, Site, authority_on_loopback, note, until};

/// Returns a connection to an empty database of each kind, with its schema changes.
async fn both(lease: &Lease) -> [(Connection, Migrator); 2] {
    let file = SqliteConnectOptions::new().in_memory(true).foreign_keys(true).connect().await.unwrap();
    let Storage::Server(settings) = lease.storage() else { panic!("no server") };
    // The connection is without TLS, so that the relay may end here.
    let options = super::options(&settings, lease.port());
    let server = options.connect().await.unwrap();
    [
        (Connection::to_file(file), migrations::migrator()),
        (Connection::to_server(server), migrations::server_migrator()),
    ]
}

async fn up_to(connection: &mut Connection, migrator: &Migrator, version: i64) {
    match connection {
        Connection::Sqlite(held) => migrator.run_to(version, held.driver()).await.unwrap(),
        Connection::Postgres(held) => migrator.run_to(version, held.driver()).await.unwrap(),
    }
}

async fn down_to(connection: &mut Connection, migrator: &Migrator, version: i64) {
    match connection {
        Connection::Sqlite(held) => migrator.undo(held.driver(), version).await.unwrap(),
        Connection::Postgres(held) => migrator.undo(held.driver(), version).await.unwrap(),
    }
}

/// Returns each column as `TABLE.COLUMN`, without those of the list of changes.
async fn columns(connection: &mut Connection) -> Vec<String> {
    let all = match connection {
        Connection::Sqlite(_) => {
            "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'"
        }
        Connection::Postgres(_) => {
            "SELECT CAST(table_name || '.' || column_name AS TEXT) FROM information_schema.columns \
             WHERE table_schema = 'public'"
        }
    };
    let mut all: Vec<String> = query_scalar(all).fetch_all(connection).await.unwrap();
    all.retain(|column| !column.starts_with("_sqlx"));
    all.sort();
    all
}

async fn execute(connection: &mut Connection, sql: &'static str) {
    query(sql).execute(connection).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn texts(connection: &mut Connection, sql: &'static str) -> Vec<String> {
    query_scalar(sql).fetch_all(connection).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Rows that a schema change must not lose, each once the schema has that number.
const ROWS: [(i64, &str); 11] = [
    (
        1,
        "INSERT INTO users (name, role, password, created, password_changed) VALUES ('root', 'administrator', 'h', 1, \
         1)",
    ),
    (1, "INSERT INTO users (name, role, password, created, password_changed) VALUES ('vera', 'viewer', 'h', 1, 1)"),
    (1, "INSERT INTO sessions VALUES ('s', 'sh', 'vera', 1, 1, 1, 'a', 'b')"),
    (1, "INSERT INTO api_keys VALUES ('k', 'kh', 'l', 'root', 'read', 1, 1, NULL)"),
    (2, "INSERT INTO audit VALUES (1, 'entry', 'hash')"),
    (3, "UPDATE users SET disabled = 'here' WHERE name = 'vera'"),
    (
        3,
        "INSERT INTO users (name, role, password, created, password_changed, source, subject, confirmed) \
         VALUES ('ada', 'operator', '', 1, 1, 'oidc', 'subject', 1)",
    ),
    (4, "INSERT INTO audit_checkpoints VALUES ('key', 1, 1, 'checkpoint')"),
    (5, "INSERT INTO counted_users VALUES ('root', 1)"),
    (6, "INSERT INTO audit_forwarded VALUES (1, 1)"),
    (7, "INSERT INTO trend VALUES (1, '{}')"),
];

#[tokio::test]
async fn migrations_keep_rows_both_ways() {
    let lease = Lease::new().await;
    for (mut connection, migrator) in both(&lease).await {
        for version in 1..=migrations::newest() {
            let before = columns(&mut connection).await;
            up_to(&mut connection, &migrator, version).await;
            let after = columns(&mut connection).await;
            down_to(&mut connection, &migrator, version - 1).await;
            assert_eq!(columns(&mut connection).await, before, "change {version} is not undone");
            up_to(&mut connection, &migrator, version).await;
            assert_eq!(columns(&mut connection).await, after);
            for (_, sql) in ROWS.into_iter().filter(|(from, _)| *from == version) {
                execute(&mut connection, sql).await;
            }
        }
        // Before the third change, no user is disabled or comes from a directory: such users cannot sign in.
        down_to(&mut connection, &migrator, 2).await;
        assert_eq!(
            texts(&mut connection, "SELECT name || ':' || password FROM users ORDER BY name").await,
            ["root:h", "vera:"]
        );
        assert!(texts(&mut connection, "SELECT id FROM sessions").await.is_empty());
        assert_eq!(texts(&mut connection, "SELECT entry FROM audit").await, ["entry"]);
        up_to(&mut connection, &migrator, migrations::newest()).await;
        assert_eq!(texts(&mut connection, "SELECT source FROM users ORDER BY name").await, ["local", "local"]);
        assert_eq!(texts(&mut connection, "SELECT id FROM api_keys").await, ["k"]);
        down_to(&mut connection, &migrator, 0).await;
        assert!(columns(&mut connection).await.is_empty());
        up_to(&mut connection, &migrator, migrations::newest()).await;
        connection.close().await.unwrap();
    }
}

#[tokio::test]
async fn schemas_share_moved_columns() {
    let lease = Lease::new().await;
    let mut moved: Vec<String> = TABLES
        .iter()
        .flat_map(|table| table.texts.iter().chain(table.numbers).map(move |column| format!("{}.{column}", table.name)))
        .collect();
    moved.sort();
    for (mut connection, migrator) in both(&lease).await {
        up_to(&mut connection, &migrator, migrations::newest()).await;
        assert_eq!(columns(&mut connection).await, moved);
        connection.close().await.unwrap();
    }
}

/// Checks that the log is one chain after this many entries by concurrent writers.
async fn assert_one_chain(database: &Database, entries: i64) {
    let mut moment = database.read().begin().await.unwrap();
    let chain = Chain::read(&mut moment).await.unwrap();
    assert!(matches!(&chain, Chain::Whole(head) if head.number == entries), "{chain:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn server_writers_share_one_chain() {
    let (lease, folders) = (Lease::new().await, [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    let one = Database::open_in(folders[0].path(), &lease.storage()).await.unwrap();
    let other = Database::open_in(folders[1].path(), &lease.storage()).await.unwrap();
    let mut writers = Vec::new();
    for writer in 0..8 {
        let database = if writer % 2 == 0 { one.clone() } else { other.clone() };
        writers.push(tokio::spawn(async move {
            for number in 0..25 {
                note(&database, &format!("writer {writer}, entry {number}")).await;
                if number % 10 == 0 {
                    // A transaction that is rolled back leaves no gap.
                    let mut write = database.write().await.unwrap();
                    query("DELETE FROM audit").execute(&mut *write).await.unwrap();
                }
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_one_chain(&one, 200).await;
    assert_one_chain(&other, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn file_writers_share_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await.unwrap();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let database = database.clone();
            tokio::spawn(async move {
                for number in 0..25 {
                    note(&database, &format!("writer {writer}, entry {number}")).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_one_chain(&database, 200).await;
}

#[tokio::test]
async fn snapshot_hides_later_writes() {
    let (lease, folder) = (Lease::new().await, tempfile::tempdir().unwrap());
    let database = Database::open_in(folder.path(), &lease.storage()).await.unwrap();
    note(&database, "before").await;
    let mut moment = database.read().begin().await.unwrap();
    let count = async |moment: &mut Connection| -> i64 {
        query_scalar("SELECT count(*) FROM audit").fetch_one(moment).await.unwrap()
    };
    assert_eq!(count(&mut moment).await, 1);
    note(&database, "meanwhile").await;
    assert_eq!(count(&mut moment).await, 1);
    let refused = query("DELETE FROM audit").execute(&mut moment).await.unwrap_err();
    assert_eq!(code_of(&refused), codes::APPLIANCE_SERVER_SILENT, "the reader wrote: {refused}");
}

#[tokio::test]
async fn cancelled_snapshot_leaves_no_transaction() {
    let lease = Lease::new().await;
    let Storage::Server(settings) = lease.storage() else { panic!("no server") };
    let (pool, _relay) = open_to_read(&settings).await.unwrap();
    // In a transaction, the time is that of its beginning.
    let time = async || -> String { query_scalar("SELECT CAST(now() AS TEXT)").fetch_one(&pool).await.unwrap() };
    // The cancellation points range from before the connection is acquired to after the server has answered.
    let all = std::iter::successors(Some(8_u32), |turns| Some(turns + turns / 8));
    for turns in all.take_while(|turns| *turns < 20_000) {
        let patience = async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _begun = pool.begin() => {}
            () = patience => {}
        }
        assert_ne!(time().await, time().await, "given up after {turns} turns");
    }
}

#[tokio::test]
async fn snapshot_round_trips_through_file() {
    let site = Site::of_server(Lease::new().await).await;
    let session = site.sign_in("root").await;
    assert!(session.get("/account").await.is_success());
    let mut bytes = Vec::new();
    save(site.data.path(), &site.storage, &mut bytes).await.unwrap();
    let before = check(site.data.path(), &site.storage).await.unwrap();
    assert_eq!((before.users, before.sessions), (3, 1));

    let folder = tempfile::tempdir().unwrap();
    load(folder.path(), &Storage::File, &mut &bytes[..]).await.unwrap();
    let counts = check(folder.path(), &Storage::File).await.unwrap();
    assert_eq!((counts.schema, counts.users, counts.administrators, counts.sessions), (8, 3, 1, 0));
    let (Chain::Whole(saved), Chain::Whole(loaded)) = (before.audit, counts.audit) else { panic!("not whole") };
    assert_eq!(saved, loaded);

    let (lease, empty) = (Lease::new().await, tempfile::tempdir().unwrap());
    // A table of a newer version is no obstacle, and moves with the others.
    let later = format!(
        "CREATE TABLE later (x BIGINT); ALTER TABLE later OWNER TO {}; CREATE SCHEMA former_members",
        lease.name
    );
    sqlx::raw_sql(AssertSqlSafe(later)).execute(&mut lease.superuser().await).await.unwrap();
    for times in 1..=5 {
        load(empty.path(), &lease.storage(), &mut &bytes[..]).await.unwrap();
        let counts = check(empty.path(), &lease.storage()).await.unwrap();
        assert_eq!((counts.users, counts.sessions), (3, 0), "load {times}");
        assert_eq!(fs_err::read_dir(empty.path()).unwrap().count(), 0, "files remain in the folder");
    }
    let kept = "SELECT CAST(nspname AS TEXT) FROM pg_namespace WHERE nspname LIKE 'former%'";
    let kept: Vec<String> = sqlx::query_scalar(kept).fetch_all(&mut lease.superuser().await).await.unwrap();
    assert!(kept.iter().any(|name| name == "former_members"), "the other schema is gone: {kept:?}");
    assert_eq!(kept.len(), 4, "{kept:?}");
}

#[tokio::test]
async fn unsound_snapshot_leaves_server_unchanged() {
    let site = Site::of_server(Lease::new().await).await;
    let folder = tempfile::tempdir().unwrap();
    for text in [&b""[..], b"hello", &[0; 8192]] {
        let error = load(folder.path(), &site.storage, &mut &*text).await.unwrap_err();
        assert_eq!(error.code(), codes::APPLIANCE_SNAPSHOT);
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 0);
    }
    assert_eq!(check(site.data.path(), &site.storage).await.unwrap().users, 3);
}

#[tokio::test]
async fn file_moves_only_into_unused_database() {
    let (lease, folder) = (Lease::new().await, tempfile::tempdir().unwrap());
    let database = Database::open(folder.path()).await.unwrap();
    for number in 0..3 {
        note(&database, &format!("entry {number}")).await;
    }
    database.close().await;
    let moved = Database::open_in(folder.path(), &lease.storage()).await.unwrap();
    assert_one_chain(&moved, 4).await;
    let last = page(moved.read(), None, 1).await.unwrap().remove(0).1.unwrap();
    assert_eq!((last.action.as_str(), last.object.as_str()), ("database.move", "PostgreSQL"));
    moved.close().await;
    let names: Vec<_> = fs_err::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().any(|name| name.to_string_lossy().starts_with("console.db.moved-")), "{names:?}");
    assert!(!names.iter().any(|name| name == "console.db"), "{names:?}");

    let again = Database::open_in(folder.path(), &lease.storage()).await.unwrap();
    assert_one_chain(&again, 4).await;
    again.close().await;
    let error = Database::open_in(folder.path(), &Storage::File).await.unwrap_err();
    assert_eq!(error.code(), codes::APPLIANCE_DATABASE_ELSEWHERE);
    assert!(error.to_string().contains("tls://127.0.0.1"), "{error}");

    // A file next to a database that is in use stays, and is not read.
    let other = tempfile::tempdir().unwrap();
    Database::open(other.path()).await.unwrap().close().await;
    let beside = Database::open_in(other.path(), &lease.storage()).await.unwrap();
    assert_one_chain(&beside, 4).await;
    assert!(other.path().join("console.db").exists());
}

#[tokio::test]
async fn interrupted_move_is_completed() {
    let (lease, folder) = (Lease::new().await, tempfile::tempdir().unwrap());
    let database = Database::open(folder.path()).await.unwrap();
    note(&database, "entry").await;
    database.close().await;
    Database::open_in(folder.path(), &lease.storage()).await.unwrap().close().await;
    let names = || -> Vec<String> {
        let all = fs_err::read_dir(folder.path()).unwrap();
        all.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    };
    let moved = || names().into_iter().filter(|name| name.starts_with("console.db.moved-")).collect::<Vec<_>>();
    let file = folder.path().join("console.db");
    durable::rename(&folder.path().join(&moved()[0]), &file).unwrap();
    let again = Database::open_in(folder.path(), &lease.storage()).await.unwrap();
    assert_one_chain(&again, 2).await;
    assert!(!file.exists());
    assert_eq!(moved().len(), 1, "{:?}", names());
}

#[tokio::test]
async fn long_log_moves_whole() {
    let (lease, folder) = (Lease::new().await, tempfile::tempdir().unwrap());
    let database = Database::open(folder.path()).await.unwrap();
    let mut write = database.write().await.unwrap();
    for number in 0..250 {
        record(&mut write, &Author::console(), Event::done("test", &number.to_string())).await.unwrap();
    }
    write.commit().await.unwrap();
    database.close().await;
    let moved = Database::open_in(folder.path(), &lease.storage()).await.unwrap();
    assert_one_chain(&moved, 251).await;
    let mut bytes = Vec::new();
    let saved = save(folder.path(), &lease.storage(), &mut bytes).await.unwrap();
    assert!(matches!(&saved, Chain::Whole(head) if head.number == 251), "{saved:?}");
}

/// Returns the error with which a console refuses to start with these settings.
async fn refusal(lease: &Lease) -> Error {
    let folder = tempfile::tempdir().unwrap();
    Database::open_in(folder.path(), &lease.storage()).await.expect_err("it begins")
}

async fn assert_refused(lease: &Lease, code: Code, words: &str) {
    let error = refusal(lease).await;
    let text = format!("{error}: {:?}", std::error::Error::source(&error));
    assert_eq!(error.code(), code, "{text}");
    assert!(text.contains(words), "{text}");
}

#[tokio::test]
async fn unusable_server_names_reason() {
    let lease = Lease::new().await;
    let (name, plain) = (lease.name.clone(), lease.plain());
    lease.set(&plain, &name, "another password");
    assert_refused(&lease, codes::APPLIANCE_SERVER_REFUSES, "password authentication failed").await;
    lease.set(&plain, "missing", super::fixture::SECRET);
    assert_refused(&lease, codes::APPLIANCE_SERVER_REFUSES, "does not exist").await;
    lease.set("tcp://127.0.0.1:1", &name, super::fixture::SECRET);
    assert_refused(&lease, codes::APPLIANCE_SERVER_SILENT, "tcp://127.0.0.1:1: no connection").await;
    // Another authority's certificate, and a name that the certificate does not have.
    lease.set(&plain.replace("tcp", "tls"), &name, super::fixture::SECRET);
    let (other, _) = authority_on_loopback("Other");
    lease.put(super::settings::AUTHORITY, &other);
    assert_refused(&lease, codes::APPLIANCE_SERVER_SILENT, "no TLS").await;
    lease.put(super::settings::AUTHORITY, lease.authority());
    lease.set(&plain.replace("tcp://127.0.0.1", "tls://localhost"), &name, super::fixture::SECRET);
    assert_refused(&lease, codes::APPLIANCE_SERVER_SILENT, "no TLS").await;
    // A table of another program.
    lease.set(&plain, &name, super::fixture::SECRET);
    sqlx::query("CREATE TABLE users (x BIGINT)").execute(&mut lease.superuser().await).await.unwrap();
    assert_refused(&lease, codes::APPLIANCE_SCHEMA, "already exists").await;
    sqlx::query("DROP TABLE users").execute(&mut lease.superuser().await).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    Database::open_in(folder.path(), &lease.storage()).await.unwrap().close().await;
}

#[tokio::test]
async fn old_servers_and_encodings_are_refused() {
    let lease = Lease::new().await;
    let Storage::Server(settings) = lease.storage() else { panic!("no server") };
    let judged = |number, version: &str, encoding: &str| {
        judge((number, version.to_owned(), encoding.to_owned()), &settings).map_err(|error| error.code())
    };
    assert_eq!(judged(140_000, "14.0", "UTF8"), Ok(()));
    assert_eq!(judged(130_022, "13.22", "UTF8"), Err(codes::APPLIANCE_SERVER_OLD));
    assert_eq!(judged(170_006, "17.6", "SQL_ASCII"), Err(codes::APPLIANCE_SERVER_REFUSES));
}

#[tokio::test]
async fn newer_server_schema_stays_unchanged() {
    let (lease, folder) = (Lease::new().await, tempfile::tempdir().unwrap());
    Database::open_in(folder.path(), &lease.storage()).await.unwrap().close().await;
    let newer = "INSERT INTO _sqlx_migrations SELECT 99, 'later', installed_on, TRUE, checksum, 1 FROM \
        _sqlx_migrations LIMIT 1";
    sqlx::query(newer).execute(&mut lease.superuser().await).await.unwrap();
    assert_refused(&lease, codes::APPLIANCE_DATABASE_NEWER, "schema 99").await;
}

#[tokio::test]
async fn locks_and_lost_connections_recover() {
    let lease = Lease::new().await;
    let (mut superuser, mut holder) = (lease.superuser().await, lease.superuser().await);
    let site = Site::of_server(lease).await;
    let root = site.sign_in("root").await;
    let make = async |name: &str| {
        let body = format!(r#"{{"name": "{name}", "role": "viewer", "password": "{PASSWORD}"}}"#);
        root.call(Method::POST, "/api/v1/users", &body).await
    };
    sqlx::query("SELECT pg_advisory_lock($1)").bind(WRITER).execute(&mut holder).await.unwrap();
    let refused = make("carl").await;
    assert_eq!(refused.refusal(), (503, "LF5053"));
    assert!(root.get("/users").await.is_success(), "a reader waited for the writer");
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(WRITER).execute(&mut holder).await.unwrap();
    assert_eq!(make("carl").await.status, StatusCode::CREATED);

    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'landfall-appliance' \
                 AND datname = current_database()";
    sqlx::query(ended).execute(&mut superuser).await.unwrap();
    until(async || root.get("/users").await.is_success()).await;
    until(async || make("dora").await.status != StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(root.get("/health").await.is_success());
    site.context.audit.look(&site.context.database).await.unwrap();
    assert_eq!((site.context.audit.broken_entry(), site.context.audit.damage()), (None, None));
}

#[tokio::test]
async fn server_drops_dead_console_transaction() {
    let (lease, folder) = (Lease::new().await, tempfile::tempdir().unwrap());
    let database = Database::open_in(folder.path(), &lease.storage()).await.unwrap();
    let mut write = database.write().await.unwrap();
    for (name, value) in NOTICED {
        let set = query_scalar("SELECT setting FROM pg_settings WHERE name = $1").bind(name);
        assert_eq!(set.fetch_one::<String>(&mut *write).await.unwrap(), value, "{name}");
    }
}

#[tokio::test]
async fn zero_byte_search_finds_nothing() {
    let (lease, folder) = (Lease::new().await, tempfile::tempdir().unwrap());
    let database = Database::open_in(folder.path(), &lease.storage()).await.unwrap();
    let found = query_scalar("SELECT name FROM users WHERE name = $1").bind("ro\0ot");
    assert_eq!(found.fetch_optional::<String>(database.read()).await.unwrap(), None);
}
