//! A package index or a registry of tarballs on the loopback interface: pages and files by path, and responses of
//! hostile servers.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::loopback::{Head, serve};

/// Resource at a path.
#[derive(Debug, Clone)]
pub enum Resource {
    /// A page with this media type.
    Page(&'static str, String),
    /// A file.
    File(Vec<u8>),
    /// A file without a stated length.
    Unsized(Vec<u8>),
    /// A redirect to this URL.
    Redirect(String),
    /// An endless body.
    Endless(&'static str),
    /// A response with this status.
    Status(u16),
}

/// A recorded request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRequest {
    /// Path of the request.
    pub path: String,
    /// Value of `Accept`.
    pub accept: String,
    /// Value of `Authorization`.
    pub authorization: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    resources: HashMap<String, Resource>,
    seen: Vec<PackageRequest>,
}

/// The server. Its threads end with the process.
#[derive(Debug, Clone)]
pub struct PackageServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl PackageServer {
    /// Starts a server on a free port of the loopback interface.
    pub fn start() -> io::Result<Self> {
        serve(|address| Self { address, state: Arc::default() }, Self::answer)
    }

    /// URL without a trailing `/`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets the resource at a path; returns its URL.
    pub fn put(&self, path: &str, resource: Resource) -> String {
        self.state().resources.insert(path.to_owned(), resource);
        format!("{}{path}", self.endpoint())
    }

    /// Requests since the last call.
    pub fn take_requests(&self) -> Vec<PackageRequest> {
        std::mem::take(&mut self.state().seen)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, mut stream: &TcpStream) -> io::Result<()> {
        let head = Head::read(stream)?;
        let (accept, authorization) = (head.header("accept").unwrap_or_default(), head.header("authorization"));
        let resource = {
            let mut state = self.state();
            let resource = state.resources.get(&head.path).cloned();
            state.seen.push(PackageRequest { path: head.path, accept, authorization });
            resource
        };
        match resource.unwrap_or(Resource::Status(404)) {
            Resource::Page(media_type, text) => write_response(stream, "200 OK", media_type, text.as_bytes()),
            Resource::File(bytes) => write_response(stream, "200 OK", "application/octet-stream", &bytes),
            Resource::Status(status) => write_response(stream, &format!("{status} X"), "text/plain", b""),
            Resource::Redirect(to) => {
                write_response(stream, "302 Found", &format!("text/plain\r\nLocation: {to}"), b"")
            }
            Resource::Unsized(bytes) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                stream.write_all(&bytes)
            }
            Resource::Endless(media_type) => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n\
                     Connection: close\r\n\r\n"
                );
                stream.write_all(head.as_bytes())?;
                let chunk = [&b"40000\r\n"[..], &vec![b' '; 0x40000], b"\r\n"].concat();
                loop {
                    stream.write_all(&chunk)?;
                }
            }
        }
    }
}

fn write_response(mut stream: &TcpStream, status: &str, media_type: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}
