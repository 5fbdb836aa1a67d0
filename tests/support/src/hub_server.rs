//! A model hub on the loopback interface with the paths of real hubs and with injected faults.
//!
//! Its large files are at the same port under another host name, as real hubs keep them on another host. Requests are
//! recorded, so that a test sees which host received a token.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use sha2::Digest as _;

use crate::loopback::{Head, serve};

/// Fault in the response to one request for a large file.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection drops after this many bytes of the body.
    DropAfter(usize),
    /// The body never ends.
    Endless,
    /// Other bytes, of the same length.
    OtherBytes,
    /// A range with another start.
    OtherRange,
    /// A redirect to this URL.
    Redirect(String),
}

/// A recorded request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubRequest {
    /// Host name of the request, without the port.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// Value of `Authorization`.
    pub authorization: Option<String>,
    /// Value of `Range`.
    pub range: Option<String>,
}

/// A repository with one branch.
#[derive(Debug, Default)]
pub struct Repository {
    /// Commit of the branch `main`.
    pub head: String,
    /// Files of each commit.
    commits: HashMap<String, Vec<File>>,
    /// Content of the model card.
    pub card: Value,
}

/// A file with its digests.
#[derive(Debug)]
struct File {
    path: String,
    bytes: Arc<Vec<u8>>,
    is_large: bool,
    sha256: String,
    git: String,
}

impl File {
    fn new(path: &str, bytes: &[u8], is_large: bool) -> Self {
        let git = sha1::Sha1::new_with_prefix(format!("blob {}\0", bytes.len())).chain_update(bytes).finalize();
        let (sha256, git) = (sha256(bytes), hex::encode(git));
        Self { path: path.to_owned(), bytes: Arc::new(bytes.to_vec()), is_large, sha256, git }
    }
}

/// Content and behavior of the hub.
#[derive(Debug, Default)]
pub struct State {
    /// Repositories by name.
    pub repositories: HashMap<String, Repository>,
    /// Required token, if any.
    pub token: Option<String>,
    /// Realm in the challenge of a refusal.
    pub realm: Option<String>,
    /// Commit that responses state in place of the requested one.
    pub other_commit: Option<String>,
    /// Content of each small file, in place of the listed one.
    pub small_bytes: Option<Vec<u8>>,
    /// Faults of the next requests for large files.
    pub faults: VecDeque<Fault>,
    seen: Vec<HubRequest>,
}

/// The hub. Its threads end with the process.
#[derive(Debug, Clone)]
pub struct Hub {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(bytes))
}

impl Hub {
    /// Starts a server on a free port of the loopback interface.
    pub fn start() -> io::Result<Self> {
        serve(|address| Self { address, state: Arc::default() }, Self::answer)
    }

    /// URL without a trailing `/`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Mutable state: content and behavior.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a commit to a repository and sets `main` to it.
    pub fn push(&self, repository: &str, commit: &str, files: &[(&str, &[u8], bool)]) {
        let mut state = self.state();
        let repository = state.repositories.entry(repository.to_owned()).or_default();
        commit.clone_into(&mut repository.head);
        let files = files.iter().map(|(path, bytes, is_large)| File::new(path, bytes, *is_large));
        repository.commits.insert(commit.to_owned(), files.collect());
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<HubRequest> {
        self.state().seen.clone()
    }

    /// Clears the recorded requests.
    pub fn forget(&self) {
        self.state().seen.clear();
    }

    fn answer(&self, mut stream: &TcpStream) -> io::Result<()> {
        let head = Head::read(stream)?;
        let host = head.header("host").unwrap_or_default();
        let seen = HubRequest {
            host: host.rsplit_once(':').map_or(host.clone(), |(name, _)| name.to_owned()),
            authorization: head.header("authorization"),
            range: head.header("range"),
            path: head.path,
        };
        let Answer { head, body, is_endless } = self.respond(&seen);
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)?;
        if !is_endless {
            return Ok(());
        }
        loop {
            stream.write_all(b"1000\r\n")?;
            stream.write_all(&[7; 0x1000])?;
            stream.write_all(b"\r\n")?;
        }
    }

    fn respond(&self, seen: &HubRequest) -> Answer {
        let mut state = self.state();
        state.seen.push(seen.clone());
        let path = decode_path(seen.path.split('?').next().unwrap_or_default());
        if let Some(digest) = path.strip_prefix("/large/") {
            return large(&mut state, digest, seen.range.as_deref());
        }
        let bearer = state.token.as_ref().map(|token| format!("Bearer {token}"));
        if bearer.is_some() && seen.authorization != bearer {
            let realm = state.realm.as_ref().map(|realm| format!("WWW-Authenticate: Bearer realm=\"{realm}\"\r\n"));
            let why = "X-Error-Code: GatedRepo\r\nX-Error-Message: Access to this model is restricted\r\n";
            return plain("401 Unauthorized", &format!("{why}{}", realm.unwrap_or_default()), b"");
        }
        if let Some((name, revision)) = path.strip_prefix("/api/models/").and_then(|rest| rest.split_once("/revision/"))
        {
            return list(&state, name, revision);
        }
        match path.trim_start_matches('/').split_once("/resolve/") {
            Some((name, rest)) => self.resolve(&state, name, rest),
            None => missing(),
        }
    }

    fn resolve(&self, state: &State, name: &str, rest: &str) -> Answer {
        let Some((revision, path)) = rest.split_once('/') else { return missing() };
        let found = commit(state, name, revision);
        let Some((commit, files)) = found else { return missing() };
        let Some(file) = files.iter().find(|file| file.path == path) else { return missing() };
        let commit = state.other_commit.as_deref().unwrap_or(commit);
        let headers = format!("X-Repo-Commit: {commit}\r\n");
        if !file.is_large {
            return plain("200 OK", &headers, state.small_bytes.as_ref().unwrap_or(&file.bytes));
        }
        let (digest, size, port) = (&file.sha256, file.bytes.len(), self.address.port());
        let linked = format!("X-Linked-Etag: \"{digest}\"\r\nX-Linked-Size: {size}\r\n");
        let location = format!("Location: http://localhost:{port}/large/{digest}?signature=x\r\n");
        plain("302 Found", &format!("{headers}{linked}{location}"), b"")
    }
}

/// A response.
struct Answer {
    head: String,
    body: Vec<u8>,
    is_endless: bool,
}

fn plain(status: &str, headers: &str, body: &[u8]) -> Answer {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    Answer { head, body: body.to_vec(), is_endless: false }
}

fn missing() -> Answer {
    plain("404 Not Found", "X-Error-Code: EntryNotFound\r\n", b"")
}

/// A commit and its files, by hash or by branch.
fn commit<'a>(state: &'a State, name: &str, revision: &str) -> Option<(&'a str, &'a [File])> {
    let repository = state.repositories.get(name)?;
    let wanted = if revision == "main" { repository.head.as_str() } else { revision };
    repository.commits.get_key_value(wanted).map(|(commit, files)| (commit.as_str(), files.as_slice()))
}

fn list(state: &State, name: &str, revision: &str) -> Answer {
    let Some((commit, files)) = commit(state, name, revision) else { return missing() };
    let siblings: Vec<_> = files
        .iter()
        .map(|File { path, bytes, is_large, sha256, git }| {
            let mut file = json!({ "rfilename": path, "size": bytes.len(), "blobId": git });
            if *is_large {
                file["lfs"] = json!({ "sha256": sha256, "size": bytes.len(), "pointerSize": 134 });
            }
            file
        })
        .collect();
    let card = &state.repositories[name].card;
    let answer = json!({ "id": name, "sha": commit, "gated": false, "siblings": siblings, "cardData": card });
    plain("200 OK", "Content-Type: application/json\r\n", answer.to_string().as_bytes())
}

/// Response with a large file, from any commit.
fn large(state: &mut State, digest: &str, range: Option<&str>) -> Answer {
    let fault = state.faults.pop_front();
    let files = state.repositories.values().flat_map(|repository| repository.commits.values()).flatten();
    let found = files.into_iter().find(|file| file.sha256 == digest).map(|file| Arc::clone(&file.bytes));
    let Some(mut bytes) = found else { return missing() };
    match fault {
        Some(Fault::Endless) => {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".to_owned();
            return Answer { head, body: Vec::new(), is_endless: true };
        }
        Some(Fault::Redirect(to)) => return plain("302 Found", &format!("Location: {to}\r\n"), b""),
        Some(Fault::OtherBytes) => Arc::make_mut(&mut bytes).iter_mut().for_each(|byte| *byte ^= 1),
        _ => {}
    }
    let asked: Option<usize> = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let (status, from) = asked.map_or(("200 OK", 0), |from| ("206 Partial Content", from.min(bytes.len())));
    let (total, last) = (bytes.len(), bytes.len().saturating_sub(1));
    let shown = if matches!(fault, Some(Fault::OtherRange)) { from / 2 } else { from };
    let content_range = asked.map(|_| format!("Content-Range: bytes {shown}-{last}/{total}\r\n"));
    let rest = &bytes[shown..];
    let mut answer = plain(status, &content_range.unwrap_or_default(), rest);
    if let Some(Fault::DropAfter(length)) = fault {
        answer.body.truncate(length);
    }
    answer
}

/// Decodes the percent-escapes of a path.
fn decode_path(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%').and_then(|pair| std::str::from_utf8(pair).ok());
        if let Some(byte) = escaped.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
