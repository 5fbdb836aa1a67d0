mod fields;
mod headers;
mod hidden;
mod license;
mod paths;
mod routes;

use axum::http::{Method, StatusCode};

use super::rules::{Need, RULES, Rule};
use crate::testing::{Reply, Site, Visitor};

/// Sends a request that matches a rule, with names and IDs that do not exist.
async fn ask(visitor: &Visitor, rule: &Rule) -> Reply {
    let path = rule.path.replace("{*name}", "{name}").replace("{name}", "nothing").replace("{id}", "nothing");
    match *rule.method {
        Method::GET => visitor.get(&path).await,
        _ if path.starts_with("/api/") => visitor.call(rule.method.clone(), &path, "{}").await,
        _ => visitor.post(&path, &[]).await,
    }
}

#[tokio::test]
async fn changes_need_form_token() {
    let site = Site::begin().await;
    for rule in RULES.iter().filter(|rule| rule.changes()) {
        for csrf in [String::new(), "0".repeat(64), site.sign_in("root").await.csrf] {
            let browser = Visitor { csrf, ..site.sign_in("root").await };
            let reply = ask(&browser, rule).await;
            assert_eq!(reply.refusal(), (403, "LF5022"), "{} {}", rule.method, rule.path);
        }
    }
}

#[tokio::test]
async fn unlisted_routes_are_unknown() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    for path in ["/nothing", "//", "/api/v2/status", "/components/..%2f..", "/components/A"] {
        let reply = root.get(path).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
    }
    for (method, path, allowed) in [
        (Method::PUT, "/api/v1/users", "GET, POST, HEAD"),
        (Method::DELETE, "/", "GET, HEAD"),
        (Method::TRACE, "/health", "GET, HEAD"),
    ] {
        let reply = root.call(method, path, "{}").await;
        assert_eq!((reply.refusal(), reply.header("allow")), ((405, "LF5047"), allowed), "{path}");
        assert!(reply.body.contains(allowed), "{}", reply.body);
    }
}

#[tokio::test]
async fn duplicate_cookies_are_ignored() {
    let site = Site::begin().await;
    let one = site.sign_in("root").await;
    let both = Visitor { cookies: format!("{}; {}", one.cookies, site.sign_in("vera").await.cookies), ..one };
    assert_eq!(both.get("/").await.header("location"), "/sign-in");
}

#[tokio::test]
async fn long_body_is_refused() {
    let site = Site::begin().await;
    let long = "x".repeat(1 << 20);
    let reply = site.sign_in("root").await.post("/users", &[("name", &long)]).await;
    assert!(reply.status.is_client_error());
}

#[tokio::test]
async fn second_tab_reaches_overview() {
    let site = Site::begin().await;
    let door = site.at_the_door("/sign-in").await;
    let fields = [("name", "vera"), ("password", crate::testing::PASSWORD)];
    let first = door.post("/sign-in", &fields).await;
    let session = first.cookie("__Host-session").unwrap();
    let second = Visitor { cookies: format!("{}; __Host-session={session}", door.cookies), ..door };
    let reply = second.post("/sign-in", &fields).await;
    assert_eq!((reply.status, reply.header("location")), (StatusCode::SEE_OTHER, "/"), "{}", reply.body);
    assert_eq!(second.get("/sign-in").await.header("location"), "/");
    let elsewhere = second.post("/account/sessions", &[]).await;
    assert_eq!(elsewhere.status, StatusCode::FORBIDDEN, "the sign-in token opens other forms");
}
