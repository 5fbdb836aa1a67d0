//! Tests of every route with every kind of caller: with each role, expired credentials, other origins, and keys.

use std::collections::BTreeMap;

use super::*;
use crate::database::query;
use crate::people::{Role, Scope, Secret, keys, remove_key};
use crate::testing::author;

/// Kind of caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Anonymous,
    Signed(Role),
    /// The session has expired.
    Expired(Role),
    /// The user has signed out, and the cookie and the form token are sent again.
    SignedOut(Role),
    /// The user is signed in, and sends a form of an earlier session of the same user, which was also sent then.
    UsedForm(Role),
    /// The request comes from a page of another origin.
    Foreign(Role),
    /// A key of such a user, with all scopes.
    Key(Role),
    /// An administrator's key with all scopes except the required one.
    KeyWithout,
    /// A removed key is sent again.
    RemovedKey(Role),
}

impl Who {
    fn all() -> impl Iterator<Item = Self> {
        let of_role = |role| {
            [
                Self::Signed(role),
                Self::Expired(role),
                Self::SignedOut(role),
                Self::UsedForm(role),
                Self::Foreign(role),
                Self::Key(role),
                Self::RemovedKey(role),
            ]
        };
        [Self::Anonymous, Self::KeyWithout].into_iter().chain(Role::ALL.into_iter().flat_map(of_role))
    }

    /// Returns true if no request of this caller can end its credentials, so that one visitor asks for every route.
    const fn lasts(self) -> bool {
        !matches!(self, Self::Signed(_) | Self::UsedForm(_) | Self::KeyWithout)
    }
}

const fn name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "vera",
        Role::Operator => "olga",
        Role::Administrator => "root",
    }
}

/// Visitors that ask for every route.
type Lasting = BTreeMap<Who, Visitor>;

async fn visitor(site: &Site, who: Who, need: Need, lasting: &Lasting) -> Visitor {
    match who {
        Who::Anonymous => site.visitor(),
        Who::Signed(role) => site.sign_in(name(role)).await,
        Who::Foreign(role) => {
            Visitor { origin: Some("https://evil.example".to_owned()), ..site.sign_in(name(role)).await }
        }
        Who::Key(role) => site.program(name(role), &Scope::ALL).await,
        Who::KeyWithout => {
            let needed = if let Need::Api(_, scope) = need { Some(scope) } else { None };
            let others: Vec<_> = Scope::ALL.into_iter().filter(|scope| Some(*scope) != needed).collect();
            site.program("root", &others).await
        }
        Who::RemovedKey(role) => {
            let program = site.program(name(role), &Scope::ALL).await;
            let text = program.key.as_deref().unwrap_or_default();
            let made = keys(&site.context).await.unwrap().into_iter().find(|key| text.contains(&key.id));
            remove_key(&site.context, &author(), &made.unwrap().id).await.unwrap();
            program
        }
        Who::SignedOut(role) => {
            let browser = site.sign_in(name(role)).await;
            assert_eq!(browser.post("/sign-out", &[]).await.status, StatusCode::SEE_OTHER);
            browser
        }
        Who::UsedForm(role) => {
            let csrf = lasting[&Who::SignedOut(role)].csrf.clone();
            Visitor { csrf, ..site.sign_in(name(role)).await }
        }
        Who::Expired(role) => {
            let browser = site.sign_in(name(role)).await;
            let secret = browser.cookies.split_once('=').and_then(|(_, text)| Secret::read(text)).unwrap();
            let mut write = site.context.database.write().await.unwrap();
            let expire = query("UPDATE sessions SET ends = 1 WHERE secret_hash = $1").bind(secret.hash());
            assert_eq!(expire.execute(&mut *write).await.unwrap().rows_affected(), 1);
            write.commit().await.unwrap();
            browser
        }
    }
}

/// Expected decision of the guard.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Admitted,
    SignIn,
    Forbidden,
}

fn verdict(reply: &Reply) -> Verdict {
    match reply.status {
        // A sign-out also leads there, and removes the cookie.
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

/// Returns the expected decision, expressed differently than in the guard.
fn expected_verdict(who: Who, rule: &Rule) -> Verdict {
    let changes = ![Method::GET, Method::OPTIONS].contains(rule.method);
    let by_role = |own: Role, least: Role| if own < least { Verdict::Forbidden } else { Verdict::Admitted };
    match (rule.need, who) {
        (Need::Open, _) | (Need::Form, Who::Signed(_)) => Verdict::Admitted,
        (Need::Form, _) if !changes => Verdict::Admitted,
        (Need::Form, _) => Verdict::Forbidden,
        (_, Who::Foreign(_) | Who::UsedForm(_)) if changes => Verdict::Forbidden,
        (_, Who::Anonymous | Who::Expired(_) | Who::SignedOut(_) | Who::Foreign(_) | Who::RemovedKey(_)) => {
            Verdict::SignIn
        }
        (Need::Page(_), Who::Key(_) | Who::KeyWithout) => Verdict::SignIn,
        (Need::Page(least) | Need::Api(least, _) | Need::ApiSession(least), Who::Signed(own) | Who::UsedForm(own)) => {
            by_role(own, least)
        }
        (Need::Api(least, _), Who::Key(own)) => by_role(own, least),
        (Need::Api(..) | Need::ApiSession(_), Who::KeyWithout | Who::Key(_)) => Verdict::Forbidden,
    }
}

/// Checks headers that every answer must have, and headers that no answer may have.
fn assert_headers(reply: &Reply, what: &str) {
    let policy = reply.header("content-security-policy");
    for part in ["default-src 'none'", "script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{what}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !reply.headers.contains_key("access-control-allow-origin"), "{what}");
    let fixed = [("x-content-type-options", "nosniff"), ("referrer-policy", "same-origin")];
    assert!(fixed.iter().all(|(name, value)| reply.header(name) == *value), "{what}: {:?}", reply.headers);
    assert!(!reply.header("x-request-id").is_empty() && !reply.header("cache-control").is_empty(), "{what}");
    let kind = reply.header("content-type");
    assert!(reply.body.is_empty() || !kind.is_empty(), "{what}: no content type");
    assert!(!kind.starts_with("text/") || kind.contains("charset=utf-8"), "{what}: {kind}");
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_admit_exactly_listed_callers() {
    let site = Site::begin().await;
    let mut lasting = Lasting::new();
    for who in Who::all().filter(|who| who.lasts()) {
        lasting.insert(who, visitor(&site, who, Need::Open, &lasting).await);
    }
    let mut asked = 0;
    for rule in RULES {
        for who in Who::all() {
            let reply = match lasting.get(&who) {
                Some(visitor) => ask(visitor, rule).await,
                None => ask(&visitor(&site, who, rule.need, &lasting).await, rule).await,
            };
            let what = format!("{} {} as {who:?}: {} {}", rule.method, rule.path, reply.status, reply.body);
            assert_eq!(verdict(&reply), expected_verdict(who, rule), "{what}");
            assert_ne!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "no router has {what}");
            assert!(!reply.status.is_server_error(), "{what}");
            assert_headers(&reply, &what);
            asked += 1;
        }
    }
    assert_eq!(asked, RULES.len() * (2 + 7 * Role::ALL.len()));
}
