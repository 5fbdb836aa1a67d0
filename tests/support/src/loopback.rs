//! Common parts of test servers on the loopback interface: connections, each in its own thread, and heads of requests.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

/// Starts a server on a free port, which runs until the process ends.
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
            // A client may close its connection early.
            std::thread::spawn(move || answer(&server, &stream));
        }
    });
    Ok(server)
}

/// Head of a request.
#[derive(Debug)]
pub struct Head {
    /// Path and query.
    pub path: String,
    headers: HashMap<String, String>,
}

impl Head {
    /// Reads the head from a connection.
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

    /// Value of a header; `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).cloned()
    }
}
