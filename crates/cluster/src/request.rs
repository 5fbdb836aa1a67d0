//! HTTP requests to a Service's address, made as a program on the node makes them: through the cluster's service
//! addresses, without proxies, redirections or TLS.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::no_answer::NoAnswer;
use super::output::{Output, OutputHead};

/// Maximum wait for a connection. A Service without ready pods may drop the connection attempt, which the kernel would
/// repeat only after many seconds.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// A request and the host name for it.
#[derive(Debug, Clone)]
pub struct Question {
    /// Address of the Service.
    pub address: SocketAddr,
    /// Value of the `Host` header.
    pub host: String,
    /// Method.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// Answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Body, as far as it is kept.
    pub body: Output,
}

/// Makes a request and reads the answer. Blocks; must not be called from asynchronous code.
pub fn ask(question: &Question, limit: Duration) -> Result<Answer, NoAnswer> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| NoAnswer::Connection(error.into()))?;
    let stream = runtime.block_on(connect(question.address, limit.min(CONNECT_LIMIT))).map_err(NoAnswer::Connection)?;
    let answer = runtime.block_on(async { tokio::time::timeout(limit, exchange(stream, question)).await });
    answer.map_or(Err(NoAnswer::TimedOut(limit)), |answer| answer.map_err(NoAnswer::Connection))
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

async fn connect(address: SocketAddr, limit: Duration) -> Result<TcpStream, BoxError> {
    match tokio::time::timeout(limit, TcpStream::connect(address)).await {
        Ok(stream) => Ok(stream?),
        Err(_) => Err(format!("{address} accepts no connection").into()),
    }
}

async fn exchange(stream: TcpStream, question: &Question) -> Result<Answer, BoxError> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::builder()
        .method(question.method)
        .uri(&question.path)
        .header(http::header::HOST, &question.host)
        .header(http::header::USER_AGENT, concat!("landfall/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &question.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::from(question.body.clone())))?;
    let answer = async { read(sender.send_request(request).await?).await };
    // The connection moves the bytes, so it must be driven while the answer is awaited.
    tokio::select! {
        answer = answer => answer,
        ended = drive(connection) => Err(ended),
    }
}

/// Drives a connection while its answer is awaited.
async fn drive(connection: impl Future<Output = hyper::Result<()>>) -> BoxError {
    match connection.await {
        // The bytes read from the source have not reached the reader yet.
        Ok(()) => std::future::pending().await,
        Err(error) => error.into(),
    }
}

async fn read(response: Response<Incoming>) -> Result<Answer, BoxError> {
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut head = OutputHead::default();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if head.add(&data) {
            // The rest is not read.
            break;
        }
    }
    Ok(Answer { status, body: head.output() })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::output::KEPT_BYTES;

    /// Runs a server that answers one request with these bytes; returns the answer and the request.
    fn run_request(bytes: &[u8], limit: Duration) -> (Result<Answer, NoAnswer>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let bytes = bytes.to_vec();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).unwrap();
            stream.write_all(&bytes).unwrap();
            if bytes.is_empty() {
                std::thread::sleep(Duration::from_millis(500));
            }
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let question = Question {
            address,
            host: "web.shop.svc".to_owned(),
            method: "POST",
            path: "/ask?deep=1".to_owned(),
            headers: vec![("x-question".to_owned(), "why not".to_owned())],
            body: b"{}".to_vec(),
        };
        (ask(&question, limit), server.join().unwrap())
    }

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn request_is_sent_unchanged() {
        let (answer, request) = run_request(b"HTTP/1.1 503 Later\r\ncontent-length: 7\r\n\r\nnot yet", LIMIT);
        let body = Output { text: "not yet".to_owned(), dropped_bytes: 0 };
        assert_eq!(answer.unwrap(), Answer { status: 503, body });
        for part in ["POST /ask?deep=1 HTTP/1.1\r\n", "host: web.shop.svc\r\n", "x-question: why not\r\n", "\r\n\r\n{}"]
        {
            assert!(request.contains(part), "{request}");
        }
        let (closed, _) = run_request(b"HTTP/1.1 200 OK\r\n\r\nuntil the end", LIMIT);
        assert_eq!(closed.unwrap().body.text, "until the end");
    }

    #[test]
    fn missing_answers_are_classified() {
        let (noise, _) = run_request(b"SSH-2.0-OpenSSH\r\n", LIMIT);
        assert!(noise.unwrap_err().is_transient());
        let (cut, _) = run_request(b"HTTP/1.1 200 OK\r\ncontent-length: 70\r\n\r\nhalf", LIMIT);
        assert!(matches!(cut.unwrap_err(), NoAnswer::Connection(_)));
        let (silent, _) = run_request(b"", Duration::from_millis(200));
        let silent = silent.unwrap_err();
        assert!(matches!(silent, NoAnswer::TimedOut(_)) && !silent.is_transient());
    }

    #[test]
    fn unaccepted_connection_is_abandoned_early() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Once the queue of a listener that accepts nothing is full, the kernel stops answering.
        rustix::net::listen(&listener, 1).unwrap();
        let next = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300));
        let held: Vec<_> = std::iter::from_fn(|| next().ok()).take(100).collect();
        assert!(held.len() < 100, "the queue has no end");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let refused = runtime.block_on(connect(address, Duration::from_millis(300))).unwrap_err();
        assert_eq!(refused.to_string(), format!("{address} accepts no connection"));
    }

    #[test]
    fn long_answer_is_truncated() {
        let mut bytes = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        bytes.resize(KEPT_BYTES + 300_000, b'a');
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _read = stream.read(&mut [0; 4096]).unwrap();
            // A client that has read enough closes the connection.
            let _closed = stream.write_all(&bytes);
        });
        let question = Question {
            address,
            host: "web".to_owned(),
            method: "GET",
            path: "/".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        let answer = ask(&question, LIMIT).unwrap();
        assert!(answer.body.text.len() == KEPT_BYTES && answer.body.dropped_bytes > 0);
        server.join().unwrap();
    }
}
