//! What servers of tests on loopback share: connections, each in a thread of its own, and heads of requests.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

/// Makes a server at a free port, which answers until the process ends.
pub fn serve<S: Clone + Send + 'static>(
    make: impl FnOnce(SocketAddr) -> S,
    answer: fn(&S, &TcpStream) -> io::Result<()>,
) -> io::Result<S> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let server = make(listener.local_addr()?);
    let shared = server.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let server = shared.clone();
            // A client that closes its connection early is its own matter.
            std::thread::spawn(move || answer(&server, &stream));
        }
    });
    Ok(server)
}

/// The head of a request.
#[derive(Debug)]
pub struct Head {
    /// The path with its query.
    pub path: String,
    headers: HashMap<String, String>,
}

impl Head {
    /// Reads it from a connection.
    pub fn read(stream: &TcpStream) -> io::Result<Self> {
        let mut lines = BufReader::new(stream).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let mut headers = HashMap::new();
        for line in lines {
            let line = line?;
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        Ok(Self { path: first.split(' ').nth(1).unwrap_or_default().to_owned(), headers })
    }

    /// The value of a header, whose name is in small letters.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).cloned()
    }
}
