//! Tests of the end of sessions by their users and by others.

use axum::http::Method;

use super::*;

/// Returns IDs of a user's sessions, latest first.
async fn ids(site: &Site, user: &str) -> Vec<String> {
    sessions_of(&site.context, user).await.unwrap().into_iter().map(|session| session.id).collect()
}

#[tokio::test]
async fn twenty_first_session_ends_oldest() {
    let site = Site::begin().await;
    let first = site.sign_in("vera").await;
    // Either of two sessions that began in one millisecond could be the older one.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    for _ in 0..19 {
        site.sign_in("vera").await;
    }
    assert!(first.get("/account").await.is_success());
    site.sign_in("vera").await;
    assert_eq!(ids(&site, "vera").await.len(), 20);
    assert_eq!(first.get("/account").await.header("location"), "/sign-in");
}

#[tokio::test]
async fn administrators_end_foreign_sessions() {
    let site = Site::begin().await;
    let (here, there) = (site.sign_in("vera").await, site.sign_in("vera").await);
    let root = site.sign_in("root").await;
    let of_root = ids(&site, "root").await.remove(0);
    let refused = here.post(&format!("/account/sessions/{of_root}"), &[]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "a user ended a foreign session");
    assert!(root.get("/account").await.is_success());
    let page = here.get("/account").await.body;
    let other = ids(&site, "vera").await.into_iter().find(|id| page.contains(&format!("/account/sessions/{id}\"")));
    assert!(here.post(&format!("/account/sessions/{}", other.unwrap()), &[]).await.status.is_redirection());
    assert_eq!(there.get("/account").await.header("location"), "/sign-in");
    let left = ids(&site, "vera").await;
    let [own] = &left[..] else { panic!("{left:?}") };
    let ended = root.call(Method::DELETE, &format!("/api/v1/sessions/{own}"), "").await;
    assert!(ended.is_success(), "{}", ended.body);
    assert_eq!(here.get("/account").await.header("location"), "/sign-in");
}
