mod passwords;
mod proof;
mod sessions;

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use futures_util::{StreamExt as _, stream};

use super::sessions::IDLE;
use super::*;
use crate::audit::Author;
use crate::database::query;
use crate::refusal::Refusal;
use crate::testing::{PASSWORD, Site, Visitor, author};

const TOKEN: &str = "K7QF2M-9XRT4B";

fn first<'a>(token: &'a str, name: &'a str) -> [(&'a str, &'a str); 4] {
    [("token", token), ("name", name), ("password", PASSWORD), ("again", PASSWORD)]
}

/// Number of clients that claim one token.
const CLAIMS: u16 = 1000;
/// Number of concurrent clients: fewer than the console accepts.
const AT_ONCE: usize = 400;
/// Number of attempts by a client whose claim the host did not answer in time: concurrent clients wait for a connection
/// to it.
const ATTEMPTS: usize = 5;

/// Claims the token, and again if the host was too slow.
async fn claim_token(door: &Visitor, name: &str) -> StatusCode {
    for _ in 1..ATTEMPTS {
        let reply = door.post("/first", &first(TOKEN, name)).await;
        if !reply.body.contains("LF5010") {
            return reply.status;
        }
    }
    door.post("/first", &first(TOKEN, name)).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn raced_token_makes_one_administrator() {
    let site = Site::empty().await;
    let door = site.at_the_door("/first").await;
    // No address has claimed before, so none must wait: each claim asks the host.
    let claim = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let door = Visitor { from: Ipv4Addr::new(127, 1, high, low), ..door.clone() };
        let name = format!("admin-{number}");
        tokio::spawn(async move { claim_token(&door, &name).await })
    };
    let claims = stream::iter(1..=CLAIMS).map(claim).buffer_unordered(AT_ONCE);
    let statuses: Vec<StatusCode> = claims.map(Result::unwrap).collect().await;
    let count = |status| statuses.iter().filter(|found| **found == status).count();
    assert_eq!(
        (count(StatusCode::SEE_OTHER), count(StatusCode::FORBIDDEN)),
        (1, usize::from(CLAIMS) - 1),
        "{statuses:?}"
    );
    let all = users(&site.context).await.unwrap();
    assert_eq!((all.len(), all[0].role), (1, Role::Administrator));
}

#[tokio::test(flavor = "multi_thread")]
async fn token_claims_are_throttled() {
    let site = Site::empty().await;
    let door = site.at_the_door("/first").await;
    let claims = (0..60).map(|number| {
        let door = door.clone();
        tokio::spawn(async move { door.post("/first", &first("WRONG", &format!("admin-{number}"))).await.status })
    });
    let mut statuses = Vec::new();
    for claim in claims.collect::<Vec<_>>() {
        statuses.push(claim.await.unwrap());
    }
    let refused = statuses.iter().filter(|status| **status == StatusCode::FORBIDDEN).count();
    assert!((30..40).contains(&refused), "{statuses:?}");
    assert!(statuses.iter().all(|status| [StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS].contains(status)));
}

#[tokio::test]
async fn first_administrator_signs_in_and_out() {
    let site = Site::empty().await;
    let page = site.visitor().get("/sign-in").await;
    insta::assert_snapshot!("first_visit", page.notices().join("\n"));
    let door = site.at_the_door("/first").await;
    let weak = [("token", TOKEN), ("name", "Alice"), ("password", "password1234"), ("again", "password1234")];
    assert_eq!(door.post("/first", &weak).await.status, StatusCode::UNPROCESSABLE_ENTITY, "the token was spent");
    let differing = [("token", TOKEN), ("name", "Alice"), ("password", PASSWORD), ("again", "another")];
    assert_eq!(door.post("/first", &differing).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let made = door.post("/first", &first(TOKEN, "Alice")).await;
    assert_eq!((made.status, made.header("location")), (StatusCode::SEE_OTHER, "/"));
    assert_eq!(
        door.post("/first", &first(TOKEN, "mallory")).await.status,
        StatusCode::FORBIDDEN,
        "the token counted twice"
    );
    let door = site.at_the_door("/sign-in").await;
    let wrong = door.post("/sign-in", &[("name", "alice"), ("password", "wrong")]).await;
    assert_eq!(wrong.refusal(), (401, "LF5030"));
    assert!(wrong.has("value", "alice"), "the name must be typed again: {}", wrong.body);
    let entered = door.post("/sign-in", &[("name", "ALICE "), ("password", PASSWORD)]).await;
    assert_eq!(entered.status, StatusCode::SEE_OTHER);
    let session = entered.cookie("__Host-session").unwrap();
    let flags = entered.headers.get_all("set-cookie").iter().next().unwrap().to_str().unwrap();
    for flag in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(flags.contains(flag), "{flag} is not in the cookie");
    }
    let csrf = Secret::read(&session).unwrap().form_token();
    let browser = Visitor { cookies: format!("__Host-session={session}"), csrf, ..site.visitor() };
    assert!(browser.get("/users").await.is_success());
    assert_eq!(browser.post("/sign-out", &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/users").await.header("location"), "/sign-in", "the old cookie still works");
}

#[tokio::test]
async fn later_token_restores_access() {
    let site = Site::begin().await;
    let old = site.sign_in("vera").await;
    let door = site.at_the_door("/first").await;
    assert_eq!(door.post("/first", &first(TOKEN, "vera")).await.status, StatusCode::SEE_OTHER);
    let vera = users(&site.context).await.unwrap().into_iter().find(|user| user.name == "vera").unwrap();
    assert_eq!(vera.role, Role::Administrator);
    assert_eq!(old.get("/").await.header("location"), "/sign-in", "an earlier session still works");
    assert_eq!(site.host.tokens.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn api_keys_end_with_password() {
    let site = Site::begin().await;
    let author = Author::console();
    let new = || NewKey { label: "thief".to_owned(), scopes: vec![Scope::Read], days: 400 };
    let made = async || make_key(&site.context, &author, "vera", new()).await.unwrap().1;
    let works = async |text: &str| open_key(&site.context, text).await.unwrap().is_some();
    let stolen = made().await;
    assert!(works(&stolen).await);
    set_password(&site.context, &author, "vera", "violet hammock river tundra").await.unwrap();
    assert!(!works(&stolen).await, "the key outlived the password");
    let stolen = made().await;
    let door = site.at_the_door("/first").await;
    assert_eq!(door.post("/first", &first(TOKEN, "vera")).await.status, StatusCode::SEE_OTHER);
    assert!(!works(&stolen).await, "the key outlived the password");
    let hidden = NewKey { label: "a\u{202e}b".to_owned(), ..new() };
    let refused = make_key(&site.context, &author, "vera", hidden).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Invalid(what) if what.starts_with("label: ")), "{refused:?}");
}

#[tokio::test]
async fn sign_in_replaces_old_session() {
    let site = Site::begin().await;
    let planted = site.sign_in("vera").await;
    let fields = [("name", "root"), ("password", PASSWORD)];
    let entered = planted.post("/sign-in", &fields).await;
    assert_eq!(entered.status, StatusCode::SEE_OTHER);
    let fresh = entered.cookie("__Host-session").unwrap();
    assert!(!planted.cookies.contains(&fresh));
    assert_eq!(planted.get("/").await.header("location"), "/sign-in");
}

#[tokio::test]
async fn idle_and_old_sessions_end() {
    let site = Site::begin().await;
    let hour = i64::try_from(IDLE.as_millis()).unwrap();
    for change in [format!("seen = seen - {hour} - 1000"), "ends = created".to_owned()] {
        let browser = site.sign_in("vera").await;
        assert!(browser.get("/account").await.is_success());
        let mut write = site.context.database.write().await.unwrap();
        let update = sqlx::AssertSqlSafe(format!("UPDATE sessions SET {change}"));
        query(update).execute(&mut *write).await.unwrap();
        write.commit().await.unwrap();
        assert_eq!(browser.get("/account").await.header("location"), "/sign-in", "{change}");
    }
}

#[tokio::test]
async fn refreshes_keep_no_session_alive() {
    let site = Site::begin().await;
    let browser = site.sign_in("vera").await;
    let mut write = site.context.database.write().await.unwrap();
    query("UPDATE sessions SET seen = seen - 600000").execute(&mut *write).await.unwrap();
    write.commit().await.unwrap();
    let seen = async || sessions_of(&site.context, "vera").await.unwrap()[0].seen;
    let before = seen().await;
    assert!(browser.get("/live/overview").await.is_success());
    assert_eq!(seen().await, before);
    assert!(browser.get("/").await.is_success());
    assert!(seen().await > before);
}

#[tokio::test]
async fn guessing_is_throttled() {
    let site = Site::begin().await;
    let door = site.at_the_door("/sign-in").await;
    for _ in 0..6 {
        let reply = door.post("/sign-in", &[("name", "root"), ("password", "wrong")]).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    }
    let reply = door.post("/sign-in", &[("name", "root"), ("password", PASSWORD)]).await;
    assert_eq!(reply.refusal(), (429, "LF5025"));
    assert!(reply.notices()[0].contains("landfall console"), "{}", reply.body);
    let other = door.post("/sign-in", &[("name", "olga"), ("password", PASSWORD)]).await;
    assert_eq!(other.status, StatusCode::SEE_OTHER, "another user is throttled");
    let door = site.at_the_door("/first").await;
    assert_eq!(
        door.post("/first", &first(TOKEN, "root")).await.status,
        StatusCode::SEE_OTHER,
        "failed sign-ins throttled the token"
    );
}

#[tokio::test]
async fn last_administrator_keeps_role() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    for reply in [
        root.post("/users/root/remove", &[]).await,
        root.post("/users/root/role", &[("role", "viewer")]).await,
        root.call(axum::http::Method::DELETE, "/api/v1/users/root", "").await,
    ] {
        assert_eq!(reply.refusal(), (409, "LF5027"));
    }
    set_role(&site.context, &author(), "olga", Role::Administrator).await.unwrap();
    assert_eq!(root.post("/users/root/remove", &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(root.get("/").await.header("location"), "/sign-in");
    let all: HashSet<_> = users(&site.context).await.unwrap().into_iter().map(|user| user.name).collect();
    assert_eq!(all, HashSet::from(["olga".to_owned(), "vera".to_owned()]));
}

#[tokio::test]
async fn changed_password_ends_other_sessions() {
    let site = Site::begin().await;
    let (here, there) = (site.sign_in("vera").await, site.sign_in("vera").await);
    let new = "puffin lantern granite wharf";
    let wrong = [("present", "wrong"), ("new", new), ("again", new)];
    assert_eq!(here.post("/account/password", &wrong).await.status, StatusCode::UNAUTHORIZED);
    let fields = [("present", PASSWORD), ("new", new), ("again", new)];
    let changed = here.post("/account/password", &fields).await;
    assert_eq!(changed.status, StatusCode::SEE_OTHER);
    assert_eq!(there.get("/").await.header("location"), "/sign-in");
    let fresh = Visitor { cookies: format!("__Host-session={}", changed.cookie("__Host-session").unwrap()), ..here };
    assert!(fresh.get("/").await.is_success());
}

#[tokio::test]
async fn key_follows_user_role() {
    let site = Site::begin().await;
    let key = site.program("olga", &Scope::ALL).await;
    assert!(key.get("/api/v1/status").await.is_success());
    assert_eq!(key.get("/api/v1/users").await.status, StatusCode::FORBIDDEN);
    assert_eq!(key.call(axum::http::Method::POST, "/api/v1/backups", "").await.status, StatusCode::ACCEPTED);
    assert_eq!(site.host.backups_begun.load(Ordering::SeqCst), 1);
    set_role(&site.context, &author(), "olga", Role::Viewer).await.unwrap();
    assert_eq!(key.call(axum::http::Method::POST, "/api/v1/backups", "").await.status, StatusCode::FORBIDDEN);
    let mut write = site.context.database.write().await.unwrap();
    query("UPDATE api_keys SET ends = created").execute(&mut *write).await.unwrap();
    write.commit().await.unwrap();
    assert_eq!(key.get("/api/v1/status").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(key.get("/").await.header("location"), "/sign-in", "a key opened a page");
}

#[tokio::test]
async fn names_and_passwords_have_rules() {
    let site = Site::empty().await;
    let make =
        async |name: &str, password: &str| create_user(&site.context, &author(), name, Role::Viewer, password).await;
    for name in ["", " ", "a b", "-a", "../x", "ä", "a\nb", &"a".repeat(65), "<b>"] {
        assert!(matches!(make(name, PASSWORD).await, Err(Refusal::Invalid(_))), "{name:?}");
    }
    for password in ["", "short", "password1234", &"a".repeat(2000)] {
        assert!(matches!(make("alice", password).await, Err(Refusal::Password(_))), "{password:?}");
    }
    assert_eq!(make("Alice@Example.com", PASSWORD).await.unwrap().name, "alice@example.com");
    assert!(matches!(make("alice@example.com", PASSWORD).await, Err(Refusal::NameTaken(_))));
}

#[tokio::test]
async fn secrets_are_stored_hashed() {
    let site = Site::begin().await;
    let browser = site.sign_in("vera").await;
    let key = site.program("root", &[Scope::Read]).await.key.unwrap();
    let mut bytes = Vec::new();
    crate::database::save(site.data.path(), &site.storage, &mut bytes).await.unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let session = browser.cookies.split('=').nth(1).unwrap();
    for secret in [PASSWORD, session, key.rsplit('_').next().unwrap(), TOKEN] {
        assert!(!text.contains(secret));
    }
    assert!(text.contains("$argon2id$v=19$"));
}

#[tokio::test]
async fn replaced_password_begins_no_session() {
    let site = Site::begin().await;
    let here = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    let proven = sign_in(&site.context, &author(), ("vera", here), PASSWORD).await.unwrap();
    set_password(&site.context, &author(), "vera", "puffin lantern granite wharf").await.unwrap();
    let begun = begin_session(&site.context, &author(), &proven, ("test", None)).await;
    assert!(matches!(begun, Err(Refusal::SignIn)), "{begun:?}");
}

#[tokio::test]
async fn password_and_role_change_together() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    let body = r#"{"role": "viewer", "password": "puffin lantern granite wharf"}"#;
    let reply = root.call(axum::http::Method::PATCH, "/api/v1/users/root", body).await;
    assert_eq!(reply.status, StatusCode::CONFLICT);
    assert!(root.get("/account").await.is_success(), "the password was changed alone");
}
