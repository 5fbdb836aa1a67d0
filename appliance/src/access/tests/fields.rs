//! Tests of unexpected and repeated fields.

use super::*;
use crate::people::{Source, user};
use crate::refusal::Refusal;
use crate::testing::PASSWORD;

/// Returns a JSON body with a user and additional fields.
fn with(more: &str) -> String {
    format!(r#"{{"name": "carl", "role": "viewer", "password": "{PASSWORD}"{more}}}"#)
}

#[tokio::test]
async fn requests_set_only_own_fields() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    for more in [r#", "source": "oidc""#, r#", "disabled": false"#, r#", "created": 0"#, r#", "__proto__": {}"#] {
        let reply = root.call(Method::POST, "/api/v1/users", &with(more)).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{more}: {}", reply.body);
    }
    let renamed = root.call(Method::PATCH, "/api/v1/users/vera", r#"{"role": "viewer", "name": "root"}"#).await;
    assert_eq!(renamed.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", renamed.body);
    let fields = [("name", "carl"), ("role", "viewer"), ("password", PASSWORD), ("source", "oidc"), ("created", "0")];
    assert!(root.post("/users", &fields).await.status.is_redirection());
    let made = user(&site.context, "carl").await.unwrap();
    assert!(made.source == Source::Local && made.created > jiff::Timestamp::UNIX_EPOCH, "{made:?}");
}

#[tokio::test]
async fn duplicate_fields_are_refused() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    let fields = [("name", "carl"), ("name", "root"), ("role", "viewer"), ("password", PASSWORD)];
    assert!(root.post("/users", &fields).await.status.is_client_error());
    let token = root.csrf.clone();
    let twice = root.post("/users", &[("csrf", &token), ("name", "carl"), ("role", "viewer")]).await;
    assert_eq!(twice.status, StatusCode::FORBIDDEN);
    let body = with(r#", "role": "administrator""#);
    let reply = root.call(Method::POST, "/api/v1/users", &body).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", reply.body);
    assert!(root.get("/audit?before=5&before=1").await.status.is_client_error());
    assert!(matches!(user(&site.context, "carl").await, Err(Refusal::NotThere(_))), "a user was created");
}
