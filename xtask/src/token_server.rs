//! A token server on loopback, whose tokens a real registry accepts. It refuses its first requests like a server with
//! rate limits.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Issuer of the tokens.
pub const ISSUER: &str = "tokens of the tests";

/// Service for which the tokens are valid.
pub const SERVICE: &str = "registry of the tests";

/// Validity of a token, in seconds.
const TOKEN_SECONDS: i64 = 300;

/// Refusal of token requests.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Number of requests to refuse.
    pub requests: usize,
    /// Value of `Retry-After`, in seconds.
    pub wait_seconds: u32,
}

/// A running token server. Its thread ends with the process.
pub struct TokenServer {
    address: SocketAddr,
    folder: Arc<tempfile::TempDir>,
    left: Arc<Mutex<usize>>,
}

impl TokenServer {
    /// Serves on a free port of 127.0.0.1, with its own key.
    pub fn start(limit: Limit) -> Result<Self> {
        let folder = Arc::new(tempfile::tempdir().context("cannot create a folder for the token server")?);
        let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("certificate.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "2", "-subj", "/CN=tokens"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()?;
        ensure!(made.status.success(), "openssl makes no certificate: {}", String::from_utf8_lossy(&made.stderr));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let server = Self { address: listener.local_addr()?, folder, left: Arc::new(Mutex::new(limit.requests)) };
        let (folder, left) = (Arc::clone(&server.folder), Arc::clone(&server.left));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // If a client closes its connection early, the error is ignored.
                let _closed = answer(stream, folder.path(), &left, limit.wait_seconds);
            }
        });
        Ok(server)
    }

    /// Returns the address that issues tokens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the path of the certificate of the signing key.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Returns the number of requests that it will still refuse.
    pub fn remaining_refusals(&self) -> usize {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(mut stream: TcpStream, folder: &Path, left: &Mutex<usize>, wait_seconds: u32) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().context("no request")??;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let is_refused = {
        let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
        let is_refused = *left > 0;
        *left = left.saturating_sub(1);
        is_refused
    };
    let (status, body) = if is_refused {
        (format!("429 Too Many Requests\r\nRetry-After: {wait_seconds}"), json!({}))
    } else {
        ("200 OK".to_owned(), json!({ "token": token(folder, &scope(&first)?)? }))
    };
    let body = body.to_string();
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")?;
    Ok(())
}

/// Returns type, name and actions of the scope in a request line.
fn scope(line: &str) -> Result<Vec<String>> {
    let path = line.split(' ').nth(1).context("a request without a path")?;
    let mut fields = path.split(['?', '&']).filter_map(|field| field.strip_prefix("scope="));
    let scope = fields.next().context("a request without a scope")?;
    // Decodes only the characters of a scope that a client must escape.
    let scope = scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
    let parts: Vec<String> = scope.splitn(3, ':').map(str::to_owned).collect();
    ensure!(parts.len() == 3, "the scope {scope} does not have three parts");
    Ok(parts)
}

/// Returns a token for this scope, by RFC 7519, signed with the key in the folder.
fn token(folder: &Path, scope: &[String]) -> Result<String> {
    let certificate = std::fs::read_to_string(folder.join("certificate.pem"))?;
    let der: String = certificate.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(&der).context("the certificate is not PEM")?;
    let now = Timestamp::now().as_second();
    let actions: Vec<&str> = scope[2].split(',').collect();
    let header = json!({ "alg": "RS256", "typ": "JWT", "x5c": [der] });
    let claims = json!({
        "iss": ISSUER, "sub": "", "aud": SERVICE, "iat": now, "nbf": now - 10, "exp": now + TOKEN_SECONDS,
        "jti": now.to_string(), "access": [{ "type": scope[0], "name": scope[1], "actions": actions }],
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign"])
        .arg(folder.join("key.pem"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    openssl.stdin.take().context("openssl has no input")?.write_all(signed.as_bytes())?;
    let output = openssl.wait_with_output()?;
    ensure!(output.status.success(), "openssl signs nothing");
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(output.stdout)))
}
