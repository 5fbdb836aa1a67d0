//! A registry and file server with injected faults.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use landfall_bundle_spec::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Fault in the response to one request for a blob or a file.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection drops after this many bytes of the body.
    DropAfter(usize),
    /// A response with this status.
    Status(u16),
    /// A response with this status and `Retry-After`; its clock says [`NOW`].
    Wait(u16, &'static str),
    /// A redirect to this URL.
    Redirect(String),
    /// These bytes replace the old ones; the connection drops after this many of them.
    ChangeAfter(usize, Vec<u8>),
    /// An endless body without length.
    Endless,
    /// After this many bytes of the body, the connection stays open without data.
    StallAfter(usize),
    /// One byte at a time, many times slower than a normal read.
    Trickle,
    /// The first half of the rest, declared as a complete range.
    HalfRange,
}

/// Time for which a stalled body keeps its connection open.
const SILENCE: Duration = Duration::from_mins(1);

/// The pause before each byte of [`Fault::Trickle`].
const TRICKLE: Duration = Duration::from_millis(20);

/// Clock of a registry that asks for a wait.
pub const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// Timeout of a withheld response. A client that sends one request at a time never sends the awaited one, so only a
/// failing test waits this long.
const WITHHELD: Duration = Duration::from_secs(10);

/// A request that is answered only while others are open.
#[derive(Debug)]
struct AwaitedBlob {
    /// Part of its path.
    path: String,
    was_opened: bool,
}

/// Faults in order, and settings of the server.
#[derive(Debug, Default)]
pub struct Faults {
    on_blobs: VecDeque<Fault>,
    on_files: VecDeque<Fault>,
    on_manifests: VecDeque<Fault>,
    on_tokens: VecDeque<Fault>,
    ignore_ranges: bool,
    no_versions: bool,
    realm: Option<String>,
    challenges: Vec<String>,
    opens_itself: bool,
    password: Option<String>,
    led_to: Option<String>,
    together: Vec<AwaitedBlob>,
}

impl Faults {
    /// Answers requests with one of these path parts only after one with each part has arrived; after a timeout, with
    /// 404.
    pub fn only_together(&mut self, paths: &[&str]) {
        self.together = paths.iter().map(|path| AwaitedBlob { path: (*path).to_owned(), was_opened: false }).collect();
    }

    /// Adds faults for the next requests for manifests.
    pub fn on_manifests(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.on_manifests.extend(faults);
    }

    /// Adds faults for the next requests for tokens.
    pub fn on_tokens(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.on_tokens.extend(faults);
    }

    /// Requires the token that `realm` issues for every request; `SELF` in it stands for this server.
    pub fn ask_for_token(&mut self, realm: &str) {
        self.realm = Some(realm.to_owned());
    }

    /// Sets the headers of a refusal, in place of the one that asks for a token; `REALM` stands for the realm.
    pub fn challenge_with(&mut self, headers: &[&str]) {
        self.challenges = headers.iter().map(|header| (*header).to_owned()).collect();
    }

    /// Makes the root of the registry public, so that only repositories need authentication.
    pub fn open_itself(&mut self) {
        self.opens_itself = true;
    }

    /// Requires this authorization with a user's name and password for every request.
    pub fn ask_for_password(&mut self, authorization: &str) {
        self.password = Some(authorization.to_owned());
    }

    /// Redirects requests for the root of the registry to another registry.
    pub fn lead_to(&mut self, other: &Registry) {
        self.led_to = Some(format!("http://{}/v2/", other.address));
    }

    /// Adds faults for the next requests for blobs.
    pub fn on_blobs(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.on_blobs.extend(faults);
    }

    /// Adds faults for the next requests for files.
    pub fn on_files(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.on_files.extend(faults);
    }

    /// Omits `ETag` and `Last-Modified` for files.
    pub fn no_versions(&mut self) {
        self.no_versions = true;
    }

    /// Responds with the whole blob to every request.
    pub fn ignore_ranges(&mut self) {
        self.ignore_ranges = true;
    }
}

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    blobs: HashMap<String, Vec<u8>>,
    manifests: HashMap<String, (String, Vec<u8>)>,
    files: HashMap<String, Vec<u8>>,
    /// Authorization of each request of any kind.
    authorizations: Vec<Option<String>>,
    ranges: Vec<Option<String>>,
    file_ranges: Vec<Option<String>>,
    /// Requests for tokens: path or form, and authorization.
    token_requests: Vec<(String, Option<String>)>,
    /// Authorization of each request for a file.
    file_authorizations: Vec<Option<String>>,
    /// Fault of the last request of each path: a request for its headers alone gets the same answer.
    last_faults: HashMap<String, Option<Fault>>,
}

/// The running registry; its requests are recorded.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// SHA-256 of bytes.
pub fn digest(bytes: &[u8]) -> Sha256 {
    Sha256::of(bytes)
}

impl Registry {
    /// Starts on a free port of the loopback interface.
    ///
    /// # Panics
    ///
    /// Panics if no port is free.
    pub async fn start(plan: impl FnOnce(&mut Faults)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let address = listener.local_addr().expect("address");
        let mut state = State::default();
        plan(&mut state.faults);
        if let Some(realm) = &mut state.faults.realm {
            *realm = realm.replace("SELF", &address.to_string());
        }
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                tokio::spawn(async move { answer(stream, &state).await });
            }
        });
        Self { address, state }
    }

    /// Host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves a blob, in every repository.
    pub fn add_blob(&self, bytes: &[u8]) {
        self.add_blob_as(digest(bytes), bytes);
    }

    /// Serves bytes under an arbitrary digest.
    pub fn add_blob_as(&self, digest: Sha256, bytes: &[u8]) {
        lock(&self.state).blobs.insert(digest.to_string(), bytes.to_vec());
    }

    /// Serves a manifest under its tag and its digest.
    pub fn add_manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) {
        let mut state = lock(&self.state);
        for name in [tag.to_owned(), digest(bytes).to_string()] {
            state
                .manifests
                .insert(format!("/v2/{repository}/manifests/{name}"), (media_type.to_owned(), bytes.to_vec()));
        }
    }

    /// Serves a list of referrers of a manifest, through the referrers API.
    pub fn add_referrers(&self, repository: &str, subject: Sha256, list: &[u8]) {
        let path = format!("/v2/{repository}/referrers/{subject}");
        lock(&self.state).manifests.insert(path, ("application/vnd.oci.image.index.v1+json".to_owned(), list.to_vec()));
    }

    /// Adds faults for the next requests for blobs.
    pub fn fail_blobs(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.state).faults.on_blobs(faults);
    }

    /// Serves a file below `/files/`; returns its URL.
    pub fn add_file(&self, name: &str, bytes: &[u8]) -> String {
        lock(&self.state).files.insert(format!("/files/{name}"), bytes.to_vec());
        format!("http://{}/files/{name}", self.address)
    }

    /// Number of requests of any kind so far.
    pub fn requests(&self) -> usize {
        lock(&self.state).authorizations.len()
    }

    /// Authorization of each request of any kind so far.
    pub fn authorizations(&self) -> Vec<Option<String>> {
        lock(&self.state).authorizations.clone()
    }

    /// `Range` of each request for a file so far.
    pub fn file_ranges(&self) -> Vec<Option<String>> {
        lock(&self.state).file_ranges.clone()
    }

    /// Authorization of each request for a file so far.
    pub fn file_authorizations(&self) -> Vec<Option<String>> {
        lock(&self.state).file_authorizations.clone()
    }

    /// Each request for a token so far: path or form, and authorization.
    pub fn token_requests(&self) -> Vec<(String, Option<String>)> {
        lock(&self.state).token_requests.clone()
    }

    /// `Range` of each request for a blob so far.
    pub fn ranges(&self) -> Vec<Option<String>> {
        lock(&self.state).ranges.clone()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers one request per connection.
async fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            // First byte of a TLS handshake, which this server does not support.
            Ok(0x16) if request.is_empty() => return,
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let mut path = request.split(' ').nth(1).unwrap_or("").to_owned();
    let header = |name: &str| {
        let named = |line: &str| {
            let (key, value) = line.split_at_checked(name.len())?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        request.lines().find_map(named)
    };
    lock(state).authorizations.push(header("authorization: "));
    if let Some(length) = header("content-length: ").and_then(|length| length.parse().ok()).filter(|_| path == "/token")
    {
        let mut form = vec![0; length];
        if stream.read_exact(&mut form).await.is_err() {
            return;
        }
        path = format!("/token form {}", String::from_utf8_lossy(&form));
    }
    let range = header("range: ");
    let (head, body) = if !wait_for_further_requests(&path, state).await {
        plain(404)
    } else if request.starts_with("HEAD ") {
        headers(&path, header("authorization: ").as_deref(), state)
    } else if path.starts_with("/files/") {
        lock(state).file_authorizations.push(header("authorization: "));
        file(&path, range.as_deref(), header("if-range: ").as_deref(), state)
    } else {
        response(&path, range.as_deref(), header("authorization: "), state)
    };
    // The client may have closed the connection.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&body).await;
    let fault = lock(state).last_faults.get(&path).cloned().flatten();
    drag(&mut stream, fault.as_ref()).await;
    let _ = stream.shutdown().await;
}

/// Continues a faulty body until the client closes the connection.
async fn drag(stream: &mut TcpStream, fault: Option<&Fault>) {
    let begun = Instant::now();
    match fault {
        Some(Fault::Endless) => while stream.write_all(&[7; 16 << 10]).await.is_ok() {},
        Some(Fault::StallAfter(_)) => tokio::time::sleep(SILENCE).await,
        Some(Fault::Trickle) => {
            while begun.elapsed() < SILENCE && stream.write_all(b"7").await.is_ok() {
                tokio::time::sleep(TRICKLE).await;
            }
        }
        _ => {}
    }
}

/// Waits for the requests that must be open before this one is answered; returns true if they arrived.
async fn wait_for_further_requests(path: &str, state: &Mutex<State>) -> bool {
    {
        let mut state = lock(state);
        let Some(own) = state.faults.together.iter_mut().find(|awaited| path.contains(&awaited.path)) else {
            return true;
        };
        own.was_opened = true;
    }
    let begun = Instant::now();
    while begun.elapsed() < WITHHELD {
        if lock(state).faults.together.iter().all(|awaited| awaited.was_opened) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    false
}

fn plain(status: u16) -> (String, Vec<u8>) {
    (format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), Vec::new())
}

/// The token that this registry issues and accepts.
const TOKEN: &str = "opened";

/// Headers of the last response for a path.
fn headers(path: &str, authorization: Option<&str>, state: &Mutex<State>) -> (String, Vec<u8>) {
    let state = lock(state);
    if state.faults.realm.is_some() && authorization != Some(&format!("Bearer {TOKEN}")) {
        return plain(401);
    }
    let fault = state.last_faults.get(path).and_then(Option::as_ref);
    (body(&[], None, "", fault).0, Vec::new())
}

fn response(path: &str, range: Option<&str>, authorization: Option<String>, state: &Mutex<State>) -> (String, Vec<u8>) {
    let mut state = lock(state);
    if path.starts_with("/token") {
        state.token_requests.push((path.to_owned(), authorization));
        let fault = state.faults.on_tokens.pop_front();
        return body(format!("{{\"token\": \"{TOKEN}\"}}").as_bytes(), None, "", fault.as_ref());
    }
    if let Some(address) = state.faults.led_to.as_ref().filter(|_| path == "/v2/") {
        return body(&[], None, "", Some(&Fault::Redirect(address.clone())));
    }
    if state.faults.opens_itself && path == "/v2/" {
        return plain(200);
    }
    if let Some(realm) = state.faults.realm.as_ref().filter(|_| authorization != Some(format!("Bearer {TOKEN}"))) {
        let usual = ["Bearer realm=\"REALM\",service=\"it\"".to_owned()];
        let challenges = if state.faults.challenges.is_empty() { &usual[..] } else { &state.faults.challenges };
        let headers =
            challenges.iter().map(|header| format!("WWW-Authenticate: {}\r\n", header.replace("REALM", realm)));
        let headers: String = headers.collect();
        return (format!("HTTP/1.1 401 X\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"), Vec::new());
    }
    if state.faults.password.as_ref().is_some_and(|password| authorization.as_ref() != Some(password)) {
        let challenge = "WWW-Authenticate: Basic realm=\"it\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return (format!("HTTP/1.1 401 X\r\n{challenge}"), Vec::new());
    }
    if let Some((media_type, bytes)) = state.manifests.get(path).cloned() {
        let fault = state.faults.on_manifests.pop_front();
        state.last_faults.insert(path.to_owned(), fault.clone());
        return body(&bytes, None, &format!("Content-Type: {media_type}\r\n"), fault.as_ref());
    }
    let Some(digest) = path.split("/blobs/").nth(1) else { return plain(404) };
    state.ranges.push(range.map(str::to_owned));
    let fault = state.faults.on_blobs.pop_front();
    state.last_faults.insert(path.to_owned(), fault.clone());
    let Some(bytes) = state.blobs.get(digest) else { return plain(404) };
    let range = range.filter(|_| !state.faults.ignore_ranges);
    body(bytes, range, "", fault.as_ref())
}

/// Responds with a file, whose `ETag` follows from its bytes; a range of another version gets the whole file.
fn file(path: &str, range: Option<&str>, version: Option<&str>, state: &Mutex<State>) -> (String, Vec<u8>) {
    let mut state = lock(state);
    state.file_ranges.push(range.map(str::to_owned));
    let fault = state.faults.on_files.pop_front();
    state.last_faults.insert(path.to_owned(), fault.clone());
    let Some(bytes) = state.files.get(path).cloned() else { return plain(404) };
    if let Some(Fault::ChangeAfter(_, other)) = &fault {
        state.files.insert(path.to_owned(), other.clone());
    }
    let tag = format!("\"{}\"", digest(&bytes).to_hex());
    let tagged = !state.faults.no_versions;
    let fits = version.is_none_or(|version| version == tag) && !state.faults.ignore_ranges;
    let header = if tagged { format!("ETag: {tag}\r\n") } else { String::new() };
    body(&bytes, range.filter(|_| fits), &header, fault.as_ref())
}

fn body(bytes: &[u8], range: Option<&str>, header: &str, fault: Option<&Fault>) -> (String, Vec<u8>) {
    match fault {
        Some(Fault::Status(status)) => return plain(*status),
        Some(Fault::Wait(status, asked)) => {
            let wait = format!("Retry-After: {asked}\r\nDate: {NOW}\r\n");
            return (
                format!("HTTP/1.1 {status} X\r\n{wait}Content-Length: 0\r\nConnection: close\r\n\r\n"),
                Vec::new(),
            );
        }
        Some(Fault::Redirect(to)) => {
            let head = format!("HTTP/1.1 302 X\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return (head, Vec::new());
        }
        Some(Fault::Endless) => return (format!("HTTP/1.1 200 X\r\n{header}Connection: close\r\n\r\n"), Vec::new()),
        _ => {}
    }
    let from = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let (status, from) = from.map_or((200, 0), |from| (206, from));
    let rest = match fault {
        Some(Fault::HalfRange) => &bytes[from..usize::midpoint(from, bytes.len())],
        _ => &bytes[from..],
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{}\r\n\
         {header}Connection: close\r\n\r\n",
        rest.len(),
        (from + rest.len()).saturating_sub(1),
        bytes.len()
    );
    let sent: &[u8] = match fault {
        Some(Fault::Trickle) => &[],
        Some(Fault::DropAfter(length) | Fault::ChangeAfter(length, _) | Fault::StallAfter(length)) => {
            &rest[..(*length).min(rest.len())]
        }
        _ => rest,
    };
    (head, sent.to_vec())
}
