use axum::http::StatusCode;

use super::*;
use crate::database::query;
use crate::people::{Person, Role, Scope, Source, admit, begin_session, create_user, remove_user, user, users};
use crate::refusal::Refusal;
use crate::testing::{PASSWORD, author};

async fn both() -> (Site, FakeProvider) {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    provider.serve_people_of(&site);
    (site, provider)
}

#[tokio::test]
async fn role_follows_latest_sign_in() {
    let (site, provider) = both().await;
    let first = signed_in_visitor(&site, &sign_in(&site, &provider, "paula", &["staff"]).await);
    assert_eq!(first.get("/users").await.status, StatusCode::FORBIDDEN);
    let second = signed_in_visitor(&site, &sign_in(&site, &provider, "paula", &["staff", "admins"]).await);
    assert!(second.get("/users").await.is_success());
    assert!(first.get("/users").await.is_success(), "a greater role ended the session");
    let third = signed_in_visitor(&site, &sign_in(&site, &provider, "paula", &["operators"]).await);
    for ended in [&first, &second] {
        assert_eq!(ended.get("/").await.header("location"), "/sign-in");
    }
    assert_eq!(third.get("/users").await.status, StatusCode::FORBIDDEN);
    let changes = site.audit_lines("user.role").await.join("\n");
    insta::with_settings!({ filters => [LOOPBACK] }, { insta::assert_snapshot!("role_changes", changes) });
}

#[tokio::test]
async fn lost_role_ends_sessions_and_keys() {
    let (site, provider) = both().await;
    let browser = signed_in_visitor(&site, &sign_in(&site, &provider, "paula", &["admins"]).await);
    let key = site.program("paula", &[Scope::Read]).await;
    assert!(key.get("/api/v1/status").await.is_success());
    let refused = sign_in(&site, &provider, "paula", &["another"]).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get("/").await.header("location"), "/sign-in");
    assert_eq!(key.get("/api/v1/status").await.status, StatusCode::UNAUTHORIZED);
    let page = site.sign_in("root").await.get("/users").await.body;
    assert!(page.contains("without a role in the directory"), "{page}");
    assert_eq!(site.audit_lines("user.disable").await.len(), 1);
    sign_in(&site, &provider, "paula", &["another"]).await;
    assert_eq!(site.audit_lines("user.disable").await.len(), 1, "once");
    let again = signed_in_visitor(&site, &sign_in(&site, &provider, "paula", &["staff"]).await);
    assert!(again.get("/").await.is_success() && key.get("/api/v1/status").await.is_success());
}

#[tokio::test]
async fn key_rests_after_unconfirmed_month() {
    let (site, provider) = both().await;
    sign_in(&site, &provider, "paula", &["staff"]).await;
    let key = site.program("paula", &[Scope::Read]).await;
    let mut write = site.context.database.write().await.unwrap();
    let month = 30 * 24 * 3600 * 1000_i64;
    query("UPDATE users SET confirmed = confirmed - $1").bind(month).execute(&mut *write).await.unwrap();
    write.commit().await.unwrap();
    assert_eq!(key.get("/api/v1/status").await.status, StatusCode::UNAUTHORIZED);
    sign_in(&site, &provider, "paula", &["staff"]).await;
    assert!(key.get("/api/v1/status").await.is_success());
}

#[tokio::test]
async fn disabled_person_stays_out() {
    let (site, provider) = both().await;
    let browser = signed_in_visitor(&site, &sign_in(&site, &provider, "paula", &["staff"]).await);
    let root = site.sign_in("root").await;
    assert!(root.post("/users/paula/disable", &[]).await.header("location").starts_with("/users/paula?done=disabled&"));
    assert_eq!(browser.get("/").await.header("location"), "/sign-in");
    let mut problems = Vec::new();
    for groups in [&["admins"][..], &[], &["staff"]] {
        let reply = sign_in(&site, &provider, "paula", groups).await;
        assert_eq!(reply.refusal(), (401, "LF5032"));
        problems.push(reply.problem());
    }
    problems.dedup();
    insta::assert_snapshot!(problems.join("\n"));
    let enable = root.call(Method::PATCH, "/api/v1/users/paula", r#"{"disabled": false}"#).await;
    assert_eq!(enable.status, StatusCode::NO_CONTENT, "{}", enable.body);
    assert!(sign_in(&site, &provider, "paula", &["staff"]).await.is_success());
}

#[tokio::test]
async fn last_local_administrator_stays_enabled() {
    let (site, provider) = both().await;
    sign_in(&site, &provider, "paula", &["admins"]).await;
    let (root, vera) = (site.sign_in("root").await, site.sign_in("vera").await);
    root.post("/users/vera/disable", &[]).await;
    assert_eq!(vera.get("/").await.header("location"), "/sign-in");
    let door = site.at_the_door("/sign-in").await;
    let refused = door.post("/sign-in", &[("name", "vera"), ("password", PASSWORD)]).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    for reply in [
        root.post("/users/root/disable", &[]).await,
        root.post("/users/root/remove", &[]).await,
        root.post("/users/root/role", &[("role", "viewer")]).await,
    ] {
        assert_eq!(reply.refusal(), (409, "LF5027"));
    }
    assert!(root.post("/users/paula/remove", &[]).await.header("location").starts_with("/users?done=removed&"));
    let token = [("token", "K7QF2M-9XRT4B"), ("name", "vera"), ("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(site.at_the_door("/first").await.post("/first", &token).await.status, StatusCode::SEE_OTHER);
    assert_eq!(user(&site.context, "vera").await.unwrap().disabled, None, "the host's token did not enable the user");
}

#[tokio::test]
async fn directory_account_has_no_local_password() {
    let (site, provider) = both().await;
    let browser = signed_in_visitor(&site, &sign_in(&site, &provider, "paula", &["staff"]).await);
    let root = site.sign_in("root").await;
    let new = "puffin lantern granite wharf";
    let own = [("present", ""), ("new", new), ("again", new)];
    assert!(!browser.get("/account").await.has("action", "/account/password"));
    assert_eq!(browser.post("/account/password", &own).await.status, StatusCode::UNAUTHORIZED);
    for reply in [
        root.post("/users/paula/password", &[("password", new)]).await,
        root.post("/users/paula/role", &[("role", "administrator")]).await,
        root.call(Method::PATCH, "/api/v1/users/paula", r#"{"password": "puffin lantern granite wharf"}"#).await,
        root.call(Method::PATCH, "/api/v1/users/paula", r#"{"role": "operator"}"#).await,
        site.at_the_door("/first")
            .await
            .post("/first", &[("token", "K7QF2M-9XRT4B"), ("name", "paula"), ("password", new), ("again", new)])
            .await,
    ] {
        assert_eq!(reply.refusal(), (409, "LF5031"));
    }
    assert_eq!(site.host.tokens.lock().unwrap().len(), 1, "the token was spent");
    for password in ["", new, PASSWORD] {
        let door = site.at_the_door("/sign-in").await;
        let reply = door.post("/sign-in", &[("name", "paula"), ("password", password)]).await;
        assert_ne!(reply.status, StatusCode::SEE_OTHER, "{password:?}");
    }
    let mut write = site.context.database.write().await.unwrap();
    let planted = query("UPDATE users SET password = 'x' WHERE name = 'paula'").execute(&mut *write).await;
    let refused = planted.unwrap_err();
    assert!(refused.as_database_error().is_some_and(sqlx::error::DatabaseError::is_check_violation), "{refused}");
}

#[tokio::test]
async fn directory_takes_over_no_names() {
    let (site, provider) = both().await;
    let mut problems = Vec::new();
    for name in ["root", "ROOT", "vera"] {
        let reply = sign_in(&site, &provider, name, &["admins"]).await;
        assert_eq!(reply.refusal(), (401, "LF5032"), "{name}");
        problems.push(reply.problem());
    }
    assert!(sign_in(&site, &provider, "paula", &["staff"]).await.is_success());
    let departed = ProviderBrowser::from(&site).await;
    let other = departed.returns_as(&provider, |claims| claims["sub"] = "id-of-another-paula".into()).await;
    assert_eq!(other.refusal(), (401, "LF5032"));
    problems.push(other.problem());
    problems.dedup();
    insta::assert_snapshot!("taken_names", problems.join("\n"));
    let renamed = ProviderBrowser::from(&site).await;
    let reply = renamed.returns_as(&provider, |claims| claims["preferred_username"] = "paula-x".into()).await;
    assert!(
        signed_in_visitor(&site, &reply).get("/").await.body.contains(">paula<"),
        "the account was not found by its subject"
    );
    for name in ["", " ", "a b", "../x", "<b>", "ä", &"a".repeat(65)] {
        let departed = ProviderBrowser::from(&site).await;
        let change = |claims: &mut Value| {
            claims["sub"] = "new".into();
            claims["preferred_username"] = name.into();
        };
        let reply = departed.returns_as(&provider, change).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{name:?}");
    }
    let all: Vec<_> = users(&site.context).await.unwrap().into_iter().map(|user| (user.name, user.role)).collect();
    assert_eq!(all.len(), 4);
    assert!(all.contains(&("paula".to_owned(), Role::Viewer)) && all.contains(&("vera".to_owned(), Role::Viewer)));
}

#[tokio::test]
async fn removed_account_begins_no_session() {
    let site = Site::begin().await;
    let person = Person {
        source: Source::Oidc,
        subject: "x".to_owned(),
        name: "paula".to_owned(),
        role: Some(Role::Viewer),
        directory: "test".to_owned(),
    };
    let proven = admit(&site.context, &author(), &person).await.unwrap();
    remove_user(&site.context, &author(), "paula").await.unwrap();
    create_user(&site.context, &author(), "paula", Role::Administrator, PASSWORD).await.unwrap();
    let begun = begin_session(&site.context, &author(), &proven, ("test", None)).await;
    assert!(matches!(begun, Err(Refusal::SignIn)), "the new user's session began");
}
