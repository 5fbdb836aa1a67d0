//! A whole console in the test's process: real TLS, real database, a fake host behind the trait.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use landfall_peer::{Authority, Certificate, Identity, Terms};
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::audit::{Author, Entry, Event, Outcome, record};
use crate::configuration::{ServerFiles, server_config};
use crate::context::Context;
use crate::database::fixture::Lease;
use crate::database::{Database, Storage, query};
use crate::host::fake::FakeHost;
use crate::people::{NewKey, PROOF, ProvenUser, Role, Scope, begin_session, create_user, make_key};
use crate::server::serve_on;

/// A sufficiently strong password.
pub const PASSWORD: &str = "gravel tuba cinnamon orbit";

/// A running console.
pub struct Site {
    pub data: tempfile::TempDir,
    pub context: Context,
    pub host: Arc<FakeHost>,
    pub address: SocketAddr,
    pub tls: TlsConnector,
    /// Storage of the data.
    pub storage: Storage,
    handle: Handle<SocketAddr>,
    /// Database of a server, for as long as the console runs.
    _lease: Option<Lease>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

/// Reply to a request.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    pub fn is_success(&self) -> bool {
        self.status.is_success()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns the value of a cookie that the reply sets.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let all = self.headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut found = all.filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')?.split(';').next());
        found.next().filter(|value| !value.is_empty()).map(str::to_owned)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Returns true if an element of the page has this attribute.
    pub fn has(&self, attribute: &str, value: &str) -> bool {
        self.body.contains(&format!(" {attribute}=\"{value}\""))
    }

    /// Returns status and code of a refusal, whether it is a page or JSON.
    pub fn refusal(&self) -> (u16, &str) {
        let is_page = self.header("content-type").starts_with("text/html");
        let begin = if is_page { ">LF" } else { "\"code\":\"LF" };
        let place =
            self.body.find(begin).unwrap_or_else(|| panic!("no code: {}", self.body)) + begin.len() - "LF".len();
        (self.status.as_u16(), &self.body[place..place + "LF0000".len()])
    }

    /// Returns title, detail and hint of a page that shows nothing but a refusal.
    pub fn problem(&self) -> String {
        let words = words_of(&self.body);
        let (problem, _) = words.split_once("\nCode\n").unwrap_or_else(|| panic!("no problem: {words}"));
        problem.replacen('\n', ": ", 1).replace('\n', " ")
    }

    /// Returns the words of each notice that the page shows.
    pub fn notices(&self) -> Vec<String> {
        let parts = self.body.split("<div class=\"notice ").skip(1);
        let shown = parts.filter(|part| part.split_once('>').is_some_and(|(head, _)| !head.ends_with(" hidden")));
        shown.map(|part| words_of(part.split("</div>").next().unwrap()).replace('\n', " ")).collect()
    }

    /// Returns the words of the page's section under the heading with this id.
    pub fn section(&self, heading: &str) -> String {
        let begin = format!("aria-labelledby=\"{heading}\"");
        let rest = self.body.split(&begin).nth(1).unwrap_or_else(|| panic!("no {heading}: {}", self.body));
        words_of(rest.split("</section>").next().unwrap())
    }
}

/// A browser or a program.
#[derive(Clone)]
pub struct Visitor {
    pub address: SocketAddr,
    pub tls: TlsConnector,
    pub cookies: String,
    pub csrf: String,
    pub key: Option<String>,
    /// Origin that the browser states for a request.
    pub origin: Option<String>,
    /// Source address of connections, on loopback.
    pub from: Ipv4Addr,
}

impl Visitor {
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], "").await
    }

    /// Requests the page to which a reply redirects.
    pub async fn follow(&self, reply: &Reply) -> Reply {
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.body);
        self.get(reply.header("location")).await
    }

    /// Sends a form with the token.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("csrf", &self.csrf)
            .extend_pairs(fields)
            .finish();
        self.send(Method::POST, path, &[("content-type", "application/x-www-form-urlencoded")], &form).await
    }

    /// Sends JSON with the token in a header.
    pub async fn call(&self, method: Method, path: &str, body: &str) -> Reply {
        let headers = [("content-type", "application/json"), ("x-csrf-token", self.csrf.as_str())];
        self.send(method, path, &headers, body).await
    }

    /// Opens a connection, for data that no client would send.
    pub async fn connect(&self) -> TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((self.from, 0).into()).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        self.tls.connect(ServerName::try_from("console").unwrap(), stream).await.unwrap()
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let (mut sender, connection) = http1::handshake(TokioIo::new(self.connect().await)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, self.address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(origin) = &self.origin {
            request = request.header(header::ORIGIN, origin);
        }
        if !self.cookies.is_empty() {
            request = request.header(header::COOKIE, &self.cookies);
        }
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
        Reply { status: parts.status, headers: parts.headers, body }
    }
}

/// Returns certificate and key, as PEM, of an authority for servers on loopback.
pub fn authority_on_loopback(name: &str) -> (String, String) {
    let servers = &["127.0.0.1".to_owned()];
    Authority::generate(Terms { name, servers, begin: (2020, 1, 1), end: (2040, 1, 1) }).unwrap()
}

/// Returns an author for tests.
pub fn author() -> Author {
    Author { name: "test".to_owned(), from: "192.0.2.7".to_owned(), correlation: "test".to_owned() }
}

/// Appends an audit entry.
pub async fn note(database: &Database, text: &str) {
    let mut write = database.write().await.unwrap();
    record(&mut write, &author(), Event::done("test", text)).await.unwrap();
    write.commit().await.unwrap();
}

/// Writes a new certificate with its key, and returns the certificate for a client to pin.
pub fn new_certificate(files: &ServerFiles) -> Certificate {
    let (certificate, key) = Identity::generate("console").unwrap();
    for (path, text) in [(&files.certificate, &certificate), (&files.key, &key)] {
        landfall_media::durable::write_file(path, text.as_bytes(), 0o600).unwrap();
    }
    Certificate::from_pem(certificate.as_bytes()).unwrap()
}

/// Returns a client that trusts exactly this certificate.
pub fn pinning(certificate: Certificate) -> TlsConnector {
    let (own, key) = Identity::generate("browser").unwrap();
    let own = Identity::from_pem(own.as_bytes(), key.as_bytes()).unwrap();
    TlsConnector::from(Arc::new(landfall_peer::client(&own, certificate).unwrap()))
}

/// Variable that names the database of a whole test run: `postgresql`. Otherwise it is a file.
const DATABASE: &str = "LANDFALL_TEST_DATABASE";

/// Returns an empty storage for a test's console. The lease must outlive it.
pub async fn ground() -> (Storage, Option<Lease>) {
    match std::env::var(DATABASE).as_deref() {
        Ok("postgresql") => {
            let lease = Lease::new().await;
            (lease.storage(), Some(lease))
        }
        Ok(other) => panic!("{DATABASE} is {other}"),
        Err(_) => (Storage::File, None),
    }
}

impl Site {
    /// Starts a console without users.
    pub async fn empty() -> Self {
        Self::at(0).await
    }

    /// Starts a console without users on this loopback port.
    pub async fn at(port: u16) -> Self {
        Self::of(tempfile::tempdir().unwrap(), port).await
    }

    /// Starts a console with the content of this data folder.
    pub async fn with(data: tempfile::TempDir) -> Self {
        Self::of(data, 0).await
    }

    async fn of(data: tempfile::TempDir, port: u16) -> Self {
        let (storage, lease) = ground().await;
        Self::build(data, port, (storage, lease)).await
    }

    /// Starts a console whose data is in PostgreSQL, with the users of [`Self::begin`].
    pub async fn of_server(lease: Lease) -> Self {
        let storage = lease.storage();
        Self::build(tempfile::tempdir().unwrap(), 0, (storage, Some(lease))).await.with_users().await
    }

    async fn build(data: tempfile::TempDir, port: u16, (storage, lease): (Storage, Option<Lease>)) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let files = ServerFiles { certificate: keys.path().join("tls.crt"), key: keys.path().join("tls.key") };
        let certificate = new_certificate(&files);
        let tls = RustlsConfig::from_config(server_config(&files).unwrap());
        let host = FakeHost::new();
        let database = Database::open_in(data.path(), &storage).await.unwrap();
        let context = Context::new(database, crate::host::Site::new(host.clone()));
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let (address, handle) = (listener.local_addr().unwrap(), Handle::new());
        tokio::spawn(serve_on(listener, tls, context.clone(), handle.clone()));
        Self { data, context, host, address, tls: pinning(certificate), storage, handle, _lease: lease }
    }

    /// Starts a console with an administrator `root`, an operator `olga` and a viewer `vera`.
    pub async fn begin() -> Self {
        Self::empty().await.with_users().await
    }

    async fn with_users(self) -> Self {
        for (name, role) in [("root", Role::Administrator), ("olga", Role::Operator), ("vera", Role::Viewer)] {
            create_user(&self.context, &author(), name, role, PASSWORD).await.unwrap();
        }
        self
    }

    /// Returns a visitor without credentials.
    pub fn visitor(&self) -> Visitor {
        let (address, tls) = (self.address, self.tls.clone());
        let origin = Some(format!("https://{address}"));
        let (cookies, csrf) = (String::new(), String::new());
        Visitor { address, tls, cookies, csrf, key: None, origin, from: Ipv4Addr::LOCALHOST }
    }

    /// Returns a browser whose user is signed in.
    pub async fn sign_in(&self, user: &str) -> Visitor {
        let proven = ProvenUser::without_password(&self.context, user).await;
        let secret = begin_session(&self.context, &author(), &proven, ("test", None)).await.unwrap();
        let cookies = format!("__Host-session={}", secret.reveal());
        Visitor { cookies, csrf: secret.form_token(), ..self.visitor() }
    }

    /// Returns a browser whose user signed in so long ago that this is no longer a recent proof.
    pub async fn sign_in_long_ago(&self, user: &str) -> Visitor {
        let browser = self.sign_in(user).await;
        self.age_proofs(user).await;
        browser
    }

    /// Returns the audit entries whose action begins with this prefix, oldest first, without times and origins.
    pub async fn audit_lines(&self, prefix: &str) -> Vec<String> {
        let pool = self.context.database.read();
        let entries = crate::audit::page(pool, None, i64::MAX).await.unwrap().into_iter().rev();
        let entries = entries.filter_map(|(_, entry)| entry).filter(|entry| entry.action.starts_with(prefix));
        let line = |entry: Entry| {
            let Entry { actor, action, object, outcome, detail, .. } = entry;
            let outcome = if outcome == Outcome::Done { "done" } else { "refused" };
            format!("{actor}: {action} {object}: {outcome}: {detail}").trim_end_matches(": ").to_owned()
        };
        entries.map(line).collect()
    }

    /// Makes the proofs of a user's sessions too old.
    pub async fn age_proofs(&self, user: &str) {
        let mut write = self.context.database.write().await.unwrap();
        let old = i64::try_from(PROOF.as_millis()).unwrap();
        let age = query("UPDATE sessions SET proven = proven - $1 WHERE user_name = $2").bind(old).bind(user);
        age.execute(&mut *write).await.unwrap();
        write.commit().await.unwrap();
    }

    /// Returns a browser that has opened a page with a form, but has not signed in.
    pub async fn at_the_door(&self, path: &str) -> Visitor {
        let page = self.visitor().get(path).await;
        let form = page.cookie("__Host-form").unwrap();
        let csrf = page.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        Visitor { cookies: format!("__Host-form={form}"), csrf, ..self.visitor() }
    }

    /// Returns a program with a key of this user.
    pub async fn program(&self, user: &str, scopes: &[Scope]) -> Visitor {
        let new = NewKey { label: "test".to_owned(), scopes: scopes.to_vec(), days: 1 };
        let (_, text) = make_key(&self.context, &author(), user, new).await.unwrap();
        Visitor { key: Some(text), origin: None, ..self.visitor() }
    }
}

/// Creates a file that takes all free space of a disk.
pub fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("rest");
    let mut rest = landfall_media::durable::create_file(&path, 0o600).unwrap();
    while rest.write_all(&[1; 4096]).is_ok() {}
    path
}

/// Returns the value of a hidden field of a page.
pub fn hidden_field(page: &str, name: &str) -> String {
    let begin = format!("name=\"{name}\" value=\"");
    page.split(&begin).nth(1).unwrap_or_else(|| panic!("no {name}: {page}")).split('"').next().unwrap().to_owned()
}

/// Snapshot filter for relative times, which change from day to day.
pub const RELATIVE_TIMES: (&str, &str) =
    (r"just now|\bin \d+ (?:second|minute|hour|day)s?\b|\b\d+ (?:second|minute|hour|day)s? ago", "[relative time]");
/// Snapshot filter for times of the test.
pub const TIMES: (&str, &str) = (r"\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2} UTC|T\d{2}:\d{2}:\d{2}Z)", "[time]");
/// Snapshot filter for ids of requests.
pub const REQUEST_IDS: (&str, &str) =
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "[request]");
/// Snapshot filter for ids of API keys.
pub const KEY_IDS: (&str, &str) = (r"key:[0-9a-f]+", "key:[id]");

/// Returns the texts of a page's content, or of a part of it, one line per element with text. Notices that only a
/// script shows are left out, and relative times, because they change from day to day.
pub fn words_of(page: &str) -> String {
    let content = page.split_once("<main").map_or(page, |(_, content)| content).split("</main>").next().unwrap();
    let content = content.rsplit_once("within a few minutes.</span></div>").map_or(content, |(_, shown)| shown);
    let content = content.replace("<bdi>", "").replace("</bdi>", "");
    let mut parts = content.split("<span class=\"ago\">");
    let first = parts.next().unwrap().to_owned();
    let content = parts.fold(first, |text, part| text + part.split_once("</span>").unwrap().1);
    let words = content.split('<').filter_map(|part| Some(part.split_once('>')?.1.trim()));
    words.filter(|words| !words.is_empty() && !words.starts_with("Made ")).collect::<Vec<_>>().join("\n")
}

/// Waits until a condition holds, for at most a minute: other machines and compilers may be running during the tests.
pub async fn until(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not come true within a minute");
}
