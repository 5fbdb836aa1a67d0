//! Tests of actions that a stolen cookie does not permit: the person at the browser must prove the identity again.

use axum::http::Method;

use super::*;
use crate::access::{Proof, RULES};
use crate::testing::hidden_field;

const CARL: [(&str, &str); 3] = [("name", "carl"), ("role", "administrator"), ("password", PASSWORD)];

/// Returns the fields of a form with the user's own password.
fn with(own: &str) -> [(&'static str, &str); 4] {
    let [name, role, password] = CARL;
    [name, role, password, ("own_password", own)]
}

#[tokio::test]
async fn old_session_needs_proof() {
    let site = Site::begin().await;
    let root = site.sign_in_long_ago("root").await;
    let asked = root.post("/users", &CARL).await;
    assert_eq!(asked.status, StatusCode::FORBIDDEN);
    assert!(asked.has("action", "/users") && asked.has("name", "own_password"), "{}", asked.body);
    let kept = ["name", "role", "password"].map(|name| hidden_field(&asked.body, name));
    assert_eq!(kept, ["carl", "administrator", PASSWORD]);
    let wrong = root.post("/users", &with("another password")).await;
    assert_eq!(wrong.refusal(), (401, "LF5030"));
    assert_eq!(hidden_field(&wrong.body, "name"), "carl");
    assert!(matches!(user(&site.context, "carl").await, Err(Refusal::NotThere(_))), "a user was created");
    assert!(root.post("/users", &with(PASSWORD)).await.status.is_redirection());
    assert_eq!(user(&site.context, "carl").await.unwrap().role, Role::Administrator);
    let next = root.post("/users/carl/role", &[("role", "viewer")]).await;
    assert!(next.status.is_redirection(), "the proof was forgotten: {}", next.body);
    assert_eq!(site.audit_lines("session.prove").await, ["root: session.prove root: done"]);
}

#[tokio::test]
async fn lasting_changes_need_proof() {
    let site = Site::begin().await;
    let thief = site.sign_in_long_ago("root").await;
    let of_root = site.sign_in("root").await;
    let mut asked = Vec::new();
    for rule in RULES.iter().filter(|rule| rule.proof == Proof::Recent) {
        let path = rule.path.replace("{*name}", "{name}").replace("{name}", "vera").replace("{id}", "nothing");
        let reply = if path.starts_with("/api/") {
            thief.call(rule.method.clone(), &path, "{}").await
        } else {
            thief.post(&path, &[]).await
        };
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{} {path}: {}", rule.method, reply.body);
        assert!(reply.body.contains("LF5068") || reply.body.contains("own_password"), "{path}: {}", reply.body);
        asked.push(format!("{} {}", rule.method, rule.path));
    }
    for must in
        ["/users", "/users/{name}/password", "/users/{name}/role", "/users/{name}/disable", "/keys", "/api/v1/keys"]
    {
        assert!(asked.contains(&format!("POST {must}")), "{must} is not among {asked:?}");
    }
    assert_eq!(users(&site.context).await.unwrap().len(), 3);
    assert!(of_root.post("/users/vera/disable", &[]).await.status.is_redirection(), "the proof is not per session");
}

#[tokio::test]
async fn api_session_sends_proof() {
    let site = Site::begin().await;
    let root = site.sign_in_long_ago("root").await;
    let request = format!(r#"{{"name": "carl", "role": "viewer", "password": "{PASSWORD}"}}"#);
    let refused = root.call(Method::POST, "/api/v1/users", &request).await;
    assert_eq!(refused.refusal(), (403, "LF5068"));
    let proof = format!(r#"{{"ownPassword": "{PASSWORD}"}}"#);
    assert_eq!(root.call(Method::POST, "/api/v1/session/proof", &proof).await.status, StatusCode::NO_CONTENT);
    assert_eq!(root.call(Method::POST, "/api/v1/users", &request).await.status, StatusCode::CREATED);
    let program = site.program("root", &[Scope::People]).await;
    assert!(program.call(Method::DELETE, "/api/v1/users/carl", "").await.is_success(), "the key's scope was ignored");
    let key = r#"{"label": "more", "scopes": ["people"], "days": 400}"#;
    assert_eq!(program.call(Method::POST, "/api/v1/keys", key).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn wrong_proofs_are_throttled() {
    let site = Site::begin().await;
    let root = site.sign_in_long_ago("root").await;
    for _ in 0..6 {
        assert_eq!(root.post("/users", &with("wrong")).await.status, StatusCode::UNAUTHORIZED);
    }
    let refused = root.post("/users", &with(PASSWORD)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!refused.header("retry-after").is_empty());
    assert!(matches!(user(&site.context, "carl").await, Err(Refusal::NotThere(_))));
}
