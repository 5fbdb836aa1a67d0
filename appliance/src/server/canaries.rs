//! A thousand secrets that people and programs send to the console. None appears in its log, on its pages, in its
//! answers or in its database, in any form.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use tracing_subscriber::EnvFilter;

use super::log::logger;
use crate::access::RULES;
use crate::people::Scope;
use crate::testing::{Reply, Site, Visitor};

/// Prefix of secrets that people type.
const TYPED: &str = "k4n4ri3nv0g3l";
/// Prefix of secrets in the form of the console's own.
const DRAWN: &str = "ca9a71e5b12d5ca9a71e5b12d5";

/// A log in memory.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Returns the logged text.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Generator of secrets, each of them unique.
#[derive(Default)]
struct PlantedSecrets(BTreeSet<String>);

impl PlantedSecrets {
    fn add_typed(&mut self) -> String {
        self.add(format!("{TYPED}-{:04}", self.0.len()))
    }

    fn add_drawn(&mut self) -> String {
        self.add(format!("{DRAWN}{:038}", self.0.len()))
    }

    fn add(&mut self, secret: String) -> String {
        assert!(self.0.insert(secret.clone()), "{secret} is drawn twice");
        secret
    }
}

/// Returns a visitor at a separate address, to which no rate limit applies.
fn at(number: u8, visitor: &Visitor) -> Visitor {
    Visitor { from: Ipv4Addr::new(127, 2, 0, number), ..visitor.clone() }
}

/// Sends a user to the API in a valid or malformed body.
async fn send_user(root: &Visitor, body: &str) -> Reply {
    root.call(Method::POST, "/api/v1/users", body).await
}

/// Sends passwords of people: of new users, wrong ones, and those in malformed bodies.
async fn plant_passwords(site: &Site, planted: &mut PlantedSecrets) -> Vec<Reply> {
    let (root, door) = (site.sign_in("root").await, site.at_the_door("/sign-in").await);
    let mut replies = Vec::new();
    for number in 0..50_u8 {
        let secret = planted.add_typed();
        let body = format!(r#"{{"name": "user-{number}", "role": "viewer", "password": "{secret}"}}"#);
        let made = send_user(&root, &body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        replies.push(made);
    }
    for number in 0..150_u8 {
        let (name, secret) = (format!("user-{}", number % 50), planted.add_typed());
        let wrong = at(number % 10, &door).post("/sign-in", &[("name", &name), ("password", &secret)]).await;
        replies.push(wrong);
    }
    for number in 0..100 {
        let secret = planted.add_typed();
        let body = match number % 4 {
            0 => format!(r#"{{"name": "a", "role": "viewer", "password": "{secret}""#),
            1 => format!(r#"{{"name": "a", "role": "viewer", "password": ["{secret}"]}}"#),
            2 => format!(r#"{{"name": "a", "role": "viewer", "password": "{secret}", "more": 1}}"#),
            _ => format!(r#"{{"name": "a b", "role": "viewer", "password": "{secret}"}}"#),
        };
        replies.push(send_user(&root, &body).await);
    }
    replies
}

/// Sends tokens of the host, keys, sessions and form tokens.
async fn plant_words(site: &Site, planted: &mut PlantedSecrets) -> Vec<Reply> {
    let (door, root) = (site.at_the_door("/first").await, site.sign_in("root").await);
    let mut replies = Vec::new();
    for number in 0..150_u8 {
        let secret = planted.add_typed();
        let password = crate::testing::PASSWORD;
        let fields = [("token", secret.as_str()), ("name", "mallory"), ("password", password), ("again", password)];
        replies.push(at(number % 10, &door).post("/first", &fields).await);
    }
    for number in 0..150 {
        let key = Some(format!("lfk_{number:012}_{}", planted.add_drawn()));
        replies.push(Visitor { key, ..site.visitor() }.get("/api/v1/status").await);
    }
    for _ in 0..100 {
        let cookies = format!("__Host-session={}", planted.add_drawn());
        replies.push(Visitor { cookies, ..site.visitor() }.get("/").await);
    }
    for _ in 0..100 {
        let csrf = planted.add_drawn();
        replies.push(Visitor { csrf, ..root.clone() }.post("/account/sessions", &[]).await);
    }
    replies
}

/// Sends values of site secrets: some go to the host, others are refused before.
async fn plant_values(site: &Site, planted: &mut PlantedSecrets) -> Vec<Reply> {
    let root = site.sign_in("root").await;
    let mut replies = Vec::new();
    for number in 0..100 {
        let secret = planted.add_typed();
        let again = if number % 4 == 0 { "another" } else { secret.as_str() };
        let name = if number % 4 == 1 { "unknown" } else { "directory" };
        let fields = [("name", name), ("value", secret.as_str()), ("again", again)];
        replies.push(root.post("/settings/secret", &fields).await);
    }
    assert_eq!(site.host.secrets.lock().unwrap().len(), 50, "half of them reached the host");
    replies
}

/// Sends codes of identity providers in addresses, and headers into which some programs put secrets.
async fn plant_elsewhere(site: &Site, planted: &mut PlantedSecrets) -> Vec<Reply> {
    let visitor = site.visitor();
    let mut replies = Vec::new();
    for _ in 0..100 {
        let path = format!("/sign-in/directory/return?code={}&state=x", planted.add_typed());
        replies.push(visitor.get(&path).await);
    }
    for number in 0..100 {
        let name = ["x-api-key", "proxy-authorization", "x-auth-token", "x-csrf-token"][number % 4];
        let secret = planted.add_typed();
        replies.push(visitor.send(Method::GET, "/api/v1/status", &[(name, &secret)], "").await);
    }
    replies
}

/// Returns everything that the console shows to an administrator and to a program.
async fn everything_shown(site: &Site) -> Vec<Reply> {
    let (root, program) = (site.sign_in("root").await, site.program("root", &Scope::ALL).await);
    let mut shown = Vec::new();
    for rule in RULES.iter().filter(|rule| rule.method == Method::GET) {
        let path = rule.path.replace("{*name}", "{name}").replace("{name}", "vera").replace("{id}", "nothing");
        shown.extend([root.get(&path).await, program.get(&path).await]);
    }
    shown
}

/// Returns answers with their headers as text.
fn text_of(replies: &[Reply]) -> String {
    let texts = replies.iter().map(|reply| format!("{:?}\n{}\n", reply.headers, reply.body));
    texts.collect::<Vec<_>>().concat()
}

/// Returns the content of the data folder: a snapshot of the database, and each file unchanged.
async fn everything_stored(site: &Site) -> String {
    let mut bytes = Vec::new();
    crate::database::save(site.data.path(), &site.storage, &mut bytes).await.unwrap();
    for entry in fs_err::read_dir(site.data.path()).unwrap() {
        bytes.extend(fs_err::read(entry.unwrap().path()).unwrap());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns forms in which the beginning of a secret could appear: plain, in base64 after any prefix, in hexadecimal.
fn forms(beginning: &str) -> Vec<String> {
    let mut forms = vec![beginning.to_owned(), hex::encode(beginning), hex::encode_upper(beginning)];
    for before in 0..3 {
        let text = STANDARD.encode(format!("{}{beginning}", "x".repeat(before)));
        // Characters that depend on their neighbors are left out.
        forms.push(text[4..text.len() - 4].to_owned());
    }
    forms
}

fn assert_none(planted: &PlantedSecrets, place: &str, text: &str) {
    let lower = text.to_lowercase();
    for form in [forms(TYPED), forms(DRAWN)].concat() {
        assert!(!text.contains(&form) && !lower.contains(&form), "{place} has a secret, written as {form}");
    }
    let hashes: BTreeSet<&str> = lower.split(|letter: char| !letter.is_ascii_hexdigit()).collect();
    for secret in &planted.0 {
        let hash = hex::encode(Sha256::digest(secret));
        assert!(!hashes.contains(hash.as_str()), "{place} has the bare hash of {secret}");
    }
}

#[tokio::test]
async fn planted_secrets_never_surface() {
    let log = Log::default();
    let filter = EnvFilter::new("info,landfall_appliance=trace,sqlx=warn");
    let sink = log.clone();
    // With a single subscriber, tracing lets the thread of any other test disable its events.
    let _second = tracing::Dispatch::new(logger(EnvFilter::new("off"), std::io::sink));
    let _logging = tracing::subscriber::set_default(logger(filter, move || sink.clone()));
    let site = Site::begin().await;
    let mut planted = PlantedSecrets::default();
    let mut replies = plant_passwords(&site, &mut planted).await;
    replies.extend(plant_words(&site, &mut planted).await);
    replies.extend(plant_elsewhere(&site, &mut planted).await);
    replies.extend(plant_values(&site, &mut planted).await);
    assert_eq!(planted.0.len(), 1100);
    site.visitor().get("/what-a-path-says-is-no-secret").await;

    let (shown, stored) = (text_of(&everything_shown(&site).await), everything_stored(&site).await);
    let logged = log.text();
    let answered = text_of(&replies);
    // The search must not pass because there was nothing to search.
    assert!(logged.matches("\"answered\"").count() >= 1000 && logged.contains("what-a-path-says"), "{logged}");
    for word in ["$argon2id$", "session.begin", "user-49"] {
        assert!(stored.contains(word), "{word} is not in the data");
    }
    for word in ["session.begin", "user-49"] {
        assert!(shown.contains(word), "{word} is on no page");
    }
    assert!(shown.len() > 100_000, "{}", shown.len());
    for (place, text) in [("the log", &logged), ("a page", &shown), ("an answer", &answered), ("the data", &stored)] {
        assert_none(&planted, place, text);
    }
}
