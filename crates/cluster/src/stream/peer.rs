//! API server's side of one conversation, on loopback: a real WebSocket, whose program is a test's function.

use std::net::TcpListener;
use std::thread::JoinHandle;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use crate::conversation::{CLOSE, STATUS, STDIN, STDOUT};
use crate::{Cluster, connection};

/// The request that the API server received.
#[derive(Debug, Clone, Default)]
pub(super) struct ReceivedRequest {
    path: String,
    query: Vec<(String, String)>,
}

impl ReceivedRequest {
    fn of(request: &Request) -> Self {
        let query = url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        Self { path: request.uri().path().to_owned(), query: query.into_owned().collect() }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// The connection, as seen from the program's side.
pub(super) struct Program {
    pub(super) asked: ReceivedRequest,
    pub(super) socket: WebSocketStream<TcpStream>,
}

impl Program {
    pub(super) async fn say(&mut self, channel: u8, bytes: &[u8]) {
        let frame = [&[channel], bytes].concat();
        self.socket.send(Message::binary(frame)).await.unwrap();
    }

    pub(super) async fn print(&mut self, bytes: &[u8]) {
        self.say(STDOUT, bytes).await;
    }

    /// Writes the trailer that `sh` was told to write.
    pub(super) async fn print_trailer(&mut self) {
        let trailer = self.asked.all("command")[3].to_owned();
        self.print(trailer.as_bytes()).await;
    }

    /// Ends like a program with this exit code, and waits until the client has closed the connection.
    pub(super) async fn exit(mut self, code: i32) {
        let status = if code == 0 { success() } else { failure(code) };
        self.say(STATUS, status.to_string().as_bytes()).await;
        while let Some(Ok(_)) = self.socket.next().await {}
    }

    /// Reads the next piece of standard input; `None` at its end.
    pub(super) async fn read(&mut self) -> Option<Vec<u8>> {
        match self.socket.next().await.unwrap().unwrap() {
            Message::Binary(frame) if frame[0] == STDIN => Some(frame[1..].to_vec()),
            Message::Binary(frame) if frame[0] == CLOSE => {
                assert_eq!(frame[1], STDIN);
                None
            }
            other => panic!("{other:?}"),
        }
    }

    /// Reads standard input until the connection ends; returns it, and true if it was closed properly.
    pub(super) async fn read_rest(&mut self) -> (Vec<u8>, bool) {
        let (mut bytes, mut is_closed) = (Vec::new(), false);
        while let Some(Ok(Message::Binary(frame))) = self.socket.next().await {
            if frame[0] == CLOSE {
                is_closed = true;
            } else {
                bytes.extend_from_slice(&frame[1..]);
            }
        }
        (bytes, is_closed)
    }
}

pub(super) fn success() -> Value {
    json!({ "metadata": {}, "status": "Success" })
}

fn failure(code: i32) -> Value {
    json!({
        "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": format!("command terminated with non-zero exit code: {code}"),
        "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
    })
}

/// A cluster whose API server takes one connection and runs a program over it.
pub(super) struct Peer<T> {
    pub(super) cluster: Cluster,
    serving: JoinHandle<T>,
    _folder: tempfile::TempDir,
}

impl<T: Send + 'static> Peer<T> {
    /// Creates a peer that speaks the protocol in which single streams can be closed.
    pub(super) fn new<F: Future<Output = T>>(program: impl FnOnce(Program) -> F + Send + 'static) -> Self {
        Self::speaking("v5.channel.k8s.io", program)
    }

    pub(super) fn speaking<F: Future<Output = T>>(
        protocol: &'static str,
        program: impl FnOnce(Program) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (folder, cluster) = connection::tests::at(listener.local_addr().unwrap());
        let serving = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move { program(accept(listener, protocol).await).await })
        });
        Self { cluster, serving, _folder: folder }
    }

    /// Returns the result of the program's side.
    pub(super) fn join(self) -> T {
        self.serving.join().unwrap()
    }
}

async fn accept(listener: TcpListener, protocol: &'static str) -> Program {
    listener.set_nonblocking(true).unwrap();
    let (stream, _) = tokio::net::TcpListener::from_std(listener).unwrap().accept().await.unwrap();
    let mut asked = ReceivedRequest::default();
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let answer = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        asked = ReceivedRequest::of(request);
        response.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
        Ok(response)
    };
    let socket = tokio_tungstenite::accept_hdr_async(stream, answer).await.unwrap();
    Program { asked, socket }
}
