//! Tests of a database that is locked, has no space left, or does not exist.

use axum::http::{Method, StatusCode};
use landfall_error_codes::{CodedError as _, codes};
use landfall_media::durable;
use landfall_media::mounted::on_tmpfs;
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use crate::database::{BUSY, Database, ReadOnlyDatabase, Storage, file, options};
use crate::people::{Role, create_user, users};
use crate::testing::{PASSWORD, Reply, Site, Visitor, author, fill};

/// Creates a user through the API.
async fn make(root: &Visitor, name: &str) -> Reply {
    let body = format!(r#"{{"name": "{name}", "role": "viewer", "password": "{PASSWORD}"}}"#);
    root.call(Method::POST, "/api/v1/users", &body).await
}

/// Checks that a request was answered with this code, as a transient fault and with nothing else.
fn assert_problem(reply: &Reply, code: &str) {
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.body);
    assert_eq!(reply.header("content-type"), "application/problem+json");
    let problem = reply.json();
    assert_eq!((problem["code"].as_str(), problem.get("detail")), (Some(code), None), "{problem}");
    assert!(problem["hint"].as_str().is_some_and(|hint| hint.len() > 20), "{problem}");
}

#[tokio::test]
async fn console_recovers_from_database_lock() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    let mut other = options(&file(site.data.path())).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let begun = std::time::Instant::now();
    let fields = [("name", "carl"), ("role", "viewer"), ("password", PASSWORD)];
    let (program, page) = tokio::join!(make(&root, "carl"), root.post("/users", &fields));
    assert!(begun.elapsed() >= BUSY, "the console gave up too early");
    assert_problem(&program, "LF5053");
    assert_eq!(page.refusal(), (503, "LF5053"));
    assert!(root.get("/users").await.is_success(), "a reader waited for the writer");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(make(&root, "carl").await.status, StatusCode::CREATED);
    assert_eq!(users(&site.context).await.unwrap().len(), 4, "a refused user was created");
}

/// Limits the database to this many pages, like a disk without space.
async fn limit(site: &Site, pages: &str) {
    let mut writer = site.context.database.writer.sqlite().acquire().await.unwrap();
    sqlx::query(AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"))).execute(&mut *writer).await.unwrap();
}

/// Sends requests until the disk is full. Returns the number of successful ones, and the refusal.
async fn until_full(mut ask: impl AsyncFnMut(usize) -> Reply) -> (usize, Reply) {
    for number in 0..200 {
        let reply = ask(number).await;
        if !reply.is_success() && !reply.status.is_redirection() {
            return (number, reply);
        }
    }
    panic!("the disk is never full");
}

#[tokio::test]
async fn console_recovers_from_size_limit() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    let door = site.at_the_door("/sign-in").await;
    // SQLite raises the limit to the current number of pages.
    limit(&site, "1").await;
    let (made, refused) = until_full(async |number| make(&root, &format!("user-{number}")).await).await;
    assert_problem(&refused, "LF5054");
    // SQLite itself has ended that transaction: the connection was replaced, and with it the limit.
    limit(&site, "1").await;
    let fields = [("name", "vera"), ("password", PASSWORD)];
    let (_, page) = until_full(async |_| door.post("/sign-in", &fields).await).await;
    assert_eq!(page.refusal(), (503, "LF5054"));
    for path in ["/", "/users", "/audit"] {
        assert!(root.get(path).await.is_success(), "{path} cannot be read");
    }
    limit(&site, "1000000").await;
    assert_eq!(make(&root, "later").await.status, StatusCode::CREATED);
    assert_eq!(users(&site.context).await.unwrap().len(), 3 + made + 1, "a refused user was created");
    site.context.audit.look(&site.context.database).await.unwrap();
    assert_eq!((site.context.audit.broken_entry(), site.context.audit.damage()), (None, None));
}

#[tokio::test]
async fn console_recovers_from_full_disk() {
    let test = "database::tests::trouble::console_recovers_from_full_disk";
    let Some(disk) = on_tmpfs(test, "size=4m") else { return };
    let site = Site::with(tempfile::tempdir_in(&disk).unwrap()).await;
    create_user(&site.context, &author(), "root", Role::Administrator, PASSWORD).await.unwrap();
    let root = site.sign_in("root").await;
    let rest = fill(&disk);
    for name in ["carl", "dora"] {
        assert_problem(&make(&root, name).await, "LF5054");
    }
    assert!(root.get("/users").await.is_success(), "the page cannot be read");
    durable::remove_file(&rest).unwrap();
    assert_eq!(make(&root, "carl").await.status, StatusCode::CREATED);
    assert_eq!(users(&site.context).await.unwrap().len(), 2, "a refused user was created");
}

#[tokio::test]
async fn start_on_full_disk_is_refused() {
    let test = "database::tests::trouble::start_on_full_disk_is_refused";
    let Some(disk) = on_tmpfs(test, "size=4m") else { return };
    let folder = disk.join("data");
    durable::create_folder(&folder).unwrap();
    // The first round starts without a database, the second one with that of the first.
    for _ in 0..2 {
        let rest = fill(&disk);
        let refused = Database::open(&folder).await.unwrap_err();
        assert_eq!(refused.code(), codes::APPLIANCE_DATABASE_FULL, "{refused:?}");
        durable::remove_file(&rest).unwrap();
        let database = Database::open(&folder).await.unwrap();
        assert_eq!(database.kept_databases(), []);
        database.close().await;
    }
}

#[tokio::test]
async fn missing_database_is_no_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let refused = ReadOnlyDatabase::open(folder.path(), &Storage::File).await.err().unwrap();
    assert_eq!(refused.code(), codes::APPLIANCE_DATABASE);
}
