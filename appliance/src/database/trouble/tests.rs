use axum::http::{Method, StatusCode};
use landfall_error_codes::codes;
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use crate::database::{BUSY, file, options};
use crate::people::users;
use crate::testing::{PASSWORD, Reply, Site, Visitor};

#[test]
fn what_a_server_says_has_the_codes_of_a_file_where_it_means_the_same() {
    for (state, code) in [
        ("55P03", codes::APPLIANCE_DATABASE_LOCKED),
        ("40001", codes::APPLIANCE_DATABASE_LOCKED),
        ("53100", codes::APPLIANCE_DATABASE_FULL),
        ("XX001", codes::APPLIANCE_DATABASE_DAMAGED),
        ("57P01", codes::APPLIANCE_SERVER_SILENT),
        ("08006", codes::APPLIANCE_SERVER_SILENT),
        ("28P01", codes::APPLIANCE_SERVER_REFUSES),
        ("3D000", codes::APPLIANCE_SERVER_REFUSES),
        ("23505", codes::APPLIANCE_DATABASE),
    ] {
        assert_eq!(super::code_of_server(state), code, "{state}");
    }
}

/// Makes a user through the API.
async fn make(root: &Visitor, name: &str) -> Reply {
    let body = format!(r#"{{"name": "{name}", "role": "viewer", "password": "{PASSWORD}"}}"#);
    root.call(Method::POST, "/api/v1/users", &body).await
}

/// That a request was answered with this code, as a fault that passes and with nothing else.
fn assert_problem(reply: &Reply, code: &str) {
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.body);
    assert_eq!(reply.header("content-type"), "application/problem+json");
    let problem = reply.json();
    assert_eq!((problem["code"].as_str(), problem.get("detail")), (Some(code), None), "{problem}");
    assert!(problem["hint"].as_str().is_some_and(|hint| hint.len() > 20), "{problem}");
}

#[tokio::test]
async fn a_locked_database_is_reported_and_the_console_continues_when_it_is_free() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    let mut other = options(&file(site.data.path())).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let begun = std::time::Instant::now();
    let fields = [("name", "carl"), ("role", "viewer"), ("password", PASSWORD)];
    let (program, page) = tokio::join!(make(&root, "carl"), root.post("/users", &fields));
    assert!(begun.elapsed() >= BUSY, "another process has some time to finish");
    assert_problem(&program, "LF5053");
    assert!(page.status == StatusCode::SERVICE_UNAVAILABLE && page.body.contains("LF5053"), "{}", page.body);
    assert!(root.get("/users").await.is_success(), "readers do not wait for a writer");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(make(&root, "carl").await.status, StatusCode::CREATED);
    assert_eq!(users(&site.context).await.unwrap().len(), 4, "what was refused was not done");
}

/// Lets the database have so many pages, as a disk without space does.
async fn limit(site: &Site, pages: &str) {
    let mut writer = site.context.database.writer.sqlite().acquire().await.unwrap();
    sqlx::query(AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"))).execute(&mut *writer).await.unwrap();
}

/// Asks until the disk is full. Returns how often it was not, and the answer.
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
async fn a_full_disk_is_reported_and_the_console_continues_when_there_is_space() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    let door = site.at_the_door("/sign-in").await;
    // SQLite makes it the number of pages that there are.
    limit(&site, "1").await;
    let (made, refused) = until_full(async |number| make(&root, &format!("user-{number}")).await).await;
    assert_problem(&refused, "LF5054");
    // SQLite has ended that transaction by itself: the connection was replaced, and with it the limit.
    limit(&site, "1").await;
    let fields = [("name", "vera"), ("password", PASSWORD)];
    let (_, page) = until_full(async |_| door.post("/sign-in", &fields).await).await;
    assert!(page.status == StatusCode::SERVICE_UNAVAILABLE && page.body.contains("LF5054"), "{}", page.body);
    for path in ["/", "/users", "/audit"] {
        assert!(root.get(path).await.is_success(), "{path}: who is signed in can look");
    }
    limit(&site, "1000000").await;
    assert_eq!(make(&root, "later").await.status, StatusCode::CREATED);
    assert_eq!(users(&site.context).await.unwrap().len(), 3 + made + 1, "what was refused was not done");
    site.context.audit.look(&site.context.database).await.unwrap();
    assert_eq!((site.context.audit.broken(), site.context.audit.damage()), (None, None));
}
