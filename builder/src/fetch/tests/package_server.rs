//! A package index, or a registry of tarballs, on loopback: pages and files by their paths, and what hostile ones answer.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is at a path.
#[derive(Debug, Clone)]
pub enum Resource {
    /// Bytes of this media type.
    Page(&'static str, String),
    /// A file.
    File(Vec<u8>),
    /// A file whose length the server does not state.
    Unsized(Vec<u8>),
    /// It leads to this address.
    Redirect(String),
    /// The body never ends.
    Endless(&'static str),
    /// This status.
    Status(u16),
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The path.
    pub path: String,
    /// The value of `Accept`.
    pub accept: String,
    /// The value of `Authorization`.
    pub authorization: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    resources: HashMap<String, Resource>,
    seen: Vec<Seen>,
}

/// The server. Its threads end with the process.
#[derive(Debug, Clone)]
pub struct PackageServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl PackageServer {
    /// Serves on a free port of loopback.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let server = Self { address: listener.local_addr()?, state: Arc::default() };
        let shared = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = shared.clone();
                // A client that closes its connection early is its own matter.
                std::thread::spawn(move || server.answer(&stream));
            }
        });
        Ok(server)
    }

    /// Its address, without `/` at the end.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts something at a path; returns its address.
    pub fn put(&self, path: &str, resource: Resource) -> String {
        self.state().resources.insert(path.to_owned(), resource);
        format!("{}{path}", self.endpoint())
    }

    /// The requests since the last call.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state().seen)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, mut stream: &TcpStream) -> io::Result<()> {
        let mut lines = BufReader::new(stream).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut seen = Seen { path: path.clone(), accept: String::new(), authorization: None };
        for line in lines {
            let line = line?;
            match line.split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("accept") => value.clone_into(&mut seen.accept),
                Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                    seen.authorization = Some(value.to_owned());
                }
                Some(_) => {}
                None => break,
            }
        }
        let resource = {
            let mut state = self.state();
            state.seen.push(seen);
            state.resources.get(&path).cloned()
        };
        match resource.unwrap_or(Resource::Status(404)) {
            Resource::Page(media_type, text) => whole(stream, "200 OK", media_type, text.as_bytes()),
            Resource::File(bytes) => whole(stream, "200 OK", "application/octet-stream", &bytes),
            Resource::Status(status) => whole(stream, &format!("{status} X"), "text/plain", b""),
            Resource::Redirect(to) => whole(stream, "302 Found", &format!("text/plain\r\nLocation: {to}"), b""),
            Resource::Unsized(bytes) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                stream.write_all(&bytes)
            }
            Resource::Endless(media_type) => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
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

fn whole(mut stream: &TcpStream, status: &str, media_type: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}
