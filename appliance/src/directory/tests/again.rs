//! Tests of a new authentication at the provider, for the browser of a session.

use super::provider::FakeProvider;
use super::*;
use crate::people::{Role, user};
use crate::testing::PASSWORD;

/// Signs in an administrator from the provider, long ago.
async fn paula(site: &Site, provider: &FakeProvider) -> Visitor {
    let browser = signed_in_visitor(site, &sign_in(site, provider, "paula", &["admins"]).await);
    site.age_proofs("paula").await;
    browser
}

/// Brings the browser of a session to the provider for a new proof.
async fn departs(browser: &Visitor) -> ProviderBrowser {
    let reply = browser.get("/sign-in/directory/again").await;
    assert_eq!(reply.status.as_u16(), 303, "{}", reply.body);
    let cookie = reply.cookie("__Host-directory").unwrap();
    let place = reply.header("location").parse().unwrap();
    ProviderBrowser {
        browser: Visitor { cookies: format!("__Host-directory={cookie}"), origin: None, ..browser.clone() },
        place,
    }
}

#[tokio::test]
async fn provider_proves_person_again() {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    provider.serve_people_of(&site);
    let browser = paula(&site, &provider).await;
    let asked = browser.post("/users/vera/role", &[("role", "operator")]).await;
    assert_eq!(asked.status.as_u16(), 403);
    assert!(asked.has("href", "/sign-in/directory/again"), "{}", asked.body);
    assert!(asked.has("target", "_blank"), "what was typed is lost: {}", asked.body);
    let with_password = browser.post("/users/vera/role", &[("role", "operator"), ("own_password", PASSWORD)]).await;
    assert_eq!(with_password.status.as_u16(), 403, "a password of a directory user was accepted");
    let departed = departs(&browser).await;
    assert_eq!(
        (departed.request_parameter("prompt"), departed.request_parameter("max_age")),
        ("login".to_owned(), "0".to_owned())
    );
    let now = jiff::Timestamp::now().as_second();
    let claims = |claims: &mut Value| (claims["groups"], claims["auth_time"]) = (["admins"].into(), now.into());
    let back = departed.returns_as(&provider, claims).await;
    assert!(back.is_success() && back.body.contains("It is you"), "{}", back.body);
    assert_eq!(back.cookie("__Host-session"), None, "the session was replaced");
    assert!(browser.post("/users/vera/role", &[("role", "operator")]).await.status.is_redirection());
    assert_eq!(user(&site.context, "vera").await.unwrap().role, Role::Operator);
}

#[tokio::test]
async fn stale_or_foreign_sign_in_proves_nothing() {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    provider.serve_people_of(&site);
    let browser = paula(&site, &provider).await;
    let an_hour_ago = jiff::Timestamp::now().as_second() - 3600;
    let departed = departs(&browser).await;
    let claims = |claims: &mut Value| (claims["groups"], claims["auth_time"]) = (["admins"].into(), an_hour_ago.into());
    let old = departed.returns_as(&provider, claims).await;
    assert_eq!(old.refusal(), (401, "LF5032"));
    let departed = departs(&browser).await;
    let claims = provider.claims(&departed.request_parameter("nonce"), "mallory", &["admins"]);
    let other = departed.returns_with(&provider, provider.sign(&claims)).await;
    assert_eq!(other.refusal(), (401, "LF5032"));
    insta::assert_snapshot!([old.problem(), other.problem()].join("\n"));
    assert_eq!(other.cookie("__Host-session"), None);
    assert_eq!(browser.post("/users/vera/disable", &[]).await.status.as_u16(), 403);
    let local = site.sign_in("root").await.get("/sign-in/directory/again").await;
    assert_eq!(local.header("location"), "/account", "a local user was sent to the provider");
}
