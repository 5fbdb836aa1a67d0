use axum::http::{Method, StatusCode};

use super::rules::{Need, RULES, Rule};
use crate::people::{Role, Scope};
use crate::testing::{Reply, Site, Visitor};

/// Who makes a request in the test of all routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Anonymous,
    Signed(Role),
    Expired,
    Foreign,
    /// An administrator's key with all scopes but the one that the route needs.
    KeyWithout,
    KeyWith,
}

const EVERYBODY: [Who; 8] = [
    Who::Anonymous,
    Who::Signed(Role::Viewer),
    Who::Signed(Role::Operator),
    Who::Signed(Role::Administrator),
    Who::Expired,
    Who::Foreign,
    Who::KeyWithout,
    Who::KeyWith,
];

async fn visitor(site: &Site, who: Who, need: Need) -> Visitor {
    let name = |role| match role {
        Role::Viewer => "vera",
        Role::Operator => "olga",
        Role::Administrator => "root",
    };
    let needed = if let Need::Api(_, scope) = need { Some(scope) } else { None };
    match who {
        Who::Anonymous => site.visitor(),
        Who::Signed(role) => site.sign_in(name(role)).await,
        Who::Foreign => Visitor { origin: Some("https://evil.example".to_owned()), ..site.sign_in("root").await },
        Who::KeyWith => site.program("root", &Scope::ALL).await,
        Who::KeyWithout => {
            let others: Vec<_> = Scope::ALL.into_iter().filter(|scope| Some(*scope) != needed).collect();
            site.program("root", &others).await
        }
        Who::Expired => {
            let browser = site.sign_in("root").await;
            let mut write = site.context.database.write().await.unwrap();
            let newest = "UPDATE sessions SET ends = 1 WHERE created = (SELECT max(created) FROM sessions)";
            sqlx::query(newest).execute(&mut *write).await.unwrap();
            write.commit().await.unwrap();
            browser
        }
    }
}

/// What the guard must come to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Admitted,
    SignIn,
    Forbidden,
}

fn verdict(reply: &Reply) -> Verdict {
    match reply.status {
        // A sign-out leads there, too, and removes the cookie.
        StatusCode::SEE_OTHER
            if reply.header("location") == "/sign-in" && !reply.headers.contains_key("set-cookie") =>
        {
            Verdict::SignIn
        }
        StatusCode::UNAUTHORIZED if reply.body.contains("LF5020") || !reply.header("hx-redirect").is_empty() => {
            Verdict::SignIn
        }
        StatusCode::FORBIDDEN => Verdict::Forbidden,
        _ => Verdict::Admitted,
    }
}

/// The rule in other words than the guard has it.
#[expect(clippy::match_same_arms, reason = "an arm for each sentence of the rule")]
fn expected(who: Who, rule: &Rule) -> Verdict {
    let changes = ![Method::GET, Method::OPTIONS].contains(rule.method);
    let by_role = |own: Role, least: Role| if own < least { Verdict::Forbidden } else { Verdict::Admitted };
    match (rule.need, who) {
        (Need::Form, Who::Signed(_)) | (Need::Open, _) | (Need::Api(..), Who::KeyWith) => Verdict::Admitted,
        (Need::Form, _) if !changes => Verdict::Admitted,
        (Need::Form, _) => Verdict::Forbidden,
        (_, Who::Foreign) if changes => Verdict::Forbidden,
        (_, Who::Anonymous | Who::Expired | Who::Foreign) | (Need::Page(_), Who::KeyWith | Who::KeyWithout) => {
            Verdict::SignIn
        }
        (Need::Page(least) | Need::Api(least, _) | Need::ApiSession(least), Who::Signed(own)) => by_role(own, least),
        (Need::Api(..) | Need::ApiSession(_), Who::KeyWithout | Who::KeyWith) => Verdict::Forbidden,
    }
}

async fn ask(visitor: &Visitor, rule: &Rule) -> Reply {
    let path = rule.path.replace("{name}", "nothing").replace("{id}", "nothing");
    match *rule.method {
        Method::GET => visitor.get(&path).await,
        _ if path.starts_with("/api/") => visitor.call(rule.method.clone(), &path, "{}").await,
        _ => visitor.post(&path, &[]).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_admits_exactly_whom_the_table_names() {
    let site = Site::begin().await;
    let mut asked = 0;
    for rule in RULES {
        for who in EVERYBODY {
            let reply = ask(&visitor(&site, who, rule.need).await, rule).await;
            let found = verdict(&reply);
            assert_eq!(
                found,
                expected(who, rule),
                "{} {} as {who:?}: {} {}",
                rule.method,
                rule.path,
                reply.status,
                reply.body
            );
            assert_ne!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{} {} is in no router", rule.method, rule.path);
            assert!(!reply.status.is_server_error(), "{} {}: {}", rule.method, rule.path, reply.body);
            assert!(!reply.header("x-request-id").is_empty() && !reply.header("content-security-policy").is_empty());
            asked += 1;
        }
    }
    assert_eq!(asked, RULES.len() * EVERYBODY.len());
}

#[tokio::test]
async fn what_changes_anything_needs_the_form_token() {
    let site = Site::begin().await;
    for rule in RULES.iter().filter(|rule| rule.changes()) {
        for csrf in [String::new(), "0".repeat(64), site.sign_in("root").await.csrf] {
            let browser = Visitor { csrf, ..site.sign_in("root").await };
            let reply = ask(&browser, rule).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{} {}", rule.method, rule.path);
            assert!(reply.body.contains("LF5022"), "{} {}", rule.method, rule.path);
        }
    }
}

#[tokio::test]
async fn what_is_in_no_table_is_nowhere() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    let paths = [
        "/nothing",
        "/assets/../console.db",
        "/assets/..%2f..%2fconsole.db",
        "//",
        "/api/v2/status",
        "/components/..%2f..",
        "/components/A",
    ];
    for path in paths {
        let reply = root.get(path).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
    }
    for (method, path, allowed) in [
        (Method::PUT, "/api/v1/users", "GET, POST, HEAD"),
        (Method::DELETE, "/", "GET, HEAD"),
        (Method::TRACE, "/health", "GET, HEAD"),
    ] {
        let reply = root.call(method, path, "{}").await;
        assert_eq!((reply.status, reply.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, allowed), "{path}");
        assert!(reply.body.contains("LF5047") && reply.body.contains(allowed), "{}", reply.body);
    }
}

#[tokio::test]
async fn two_cookies_of_one_name_are_none() {
    let site = Site::begin().await;
    let one = site.sign_in("root").await;
    let both = Visitor { cookies: format!("{}; {}", one.cookies, site.sign_in("vera").await.cookies), ..one };
    assert_eq!(both.get("/").await.header("location"), "/sign-in");
}

#[tokio::test]
async fn a_long_body_is_refused() {
    let site = Site::begin().await;
    let long = "x".repeat(1 << 20);
    let reply = site.sign_in("root").await.post("/users", &[("name", &long)]).await;
    assert!(reply.status.is_client_error());
}

#[tokio::test]
async fn a_second_tab_that_signs_in_is_led_to_the_overview() {
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
    assert_eq!(elsewhere.status, StatusCode::FORBIDDEN, "the word from the door opens nothing else");
}
