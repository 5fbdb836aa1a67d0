//! Relay of connections to the server: a loopback port that gives each of them a connection to the server. It uses TLS
//! unless the settings disable it.
//!
//! sqlx has its own TLS. It would trust the public authorities in addition to the site's, with a list of them in the
//! program. Its connections would wait a quarter of an hour for a server that lost power.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use landfall_error_codes::codes;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::settings::Settings;
use crate::error::{Context as _, Result};

/// Time limit for a connection and its handshakes.
const CONNECT: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 10 });
/// Time for which the server may leave sent data unacknowledged, in milliseconds.
const UNANSWERED: u32 = 20_000;
/// Silence after which the server is probed, and interval of the probes. The system's default is two hours. A client
/// that waits for an answer has sent everything, so it has no unacknowledged data by which to detect a lost server.
const QUIET: Duration = Duration::from_secs(5);
/// Request for TLS to a PostgreSQL server: a length of 8 bytes and a number
/// (<https://www.postgresql.org/docs/current/protocol-message-formats.html>, `SSLRequest`).
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// Answer of a server that agrees.
const AGREED: u8 = b'S';

/// Bidirectional byte stream.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Relay of connections until it is closed.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    task: JoinHandle<()>,
    failure: Arc<Mutex<Option<String>>>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.close();
    }
}

impl Relay {
    /// Begins to accept connections. No connection to the server is made yet.
    pub async fn begin(settings: Arc<Settings>) -> Result<Self> {
        let failed = || "no port of the loopback can be had".to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context(codes::APPLIANCE_DATABASE, failed)?;
        let port = listener.local_addr().context(codes::APPLIANCE_DATABASE, failed)?.port();
        let failure = Arc::new(Mutex::new(None));
        let task = tokio::spawn(accept(listener, settings, failure.clone()));
        Ok(Self { port, task, failure })
    }

    /// Returns the loopback port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns why the latest connection failed; `None` if it succeeded.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops accepting connections.
    pub fn close(&self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, settings: Arc<Settings>, failure: Arc<Mutex<Option<String>>>) {
    loop {
        let Ok((near, _)) = listener.accept().await else {
            // No descriptor is free: open connections will end at some time.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (settings, failure) = (settings.clone(), failure.clone());
        tokio::spawn(pass(near, settings, failure));
    }
}

/// Relays one connection to its end. Each side notices when the other one is gone.
async fn pass(mut near: TcpStream, settings: Arc<Settings>, failure: Arc<Mutex<Option<String>>>) {
    let late = |_| Err(format!("no connection was made in {} seconds", CONNECT.as_secs()));
    let made = timeout(CONNECT, connect(&settings)).await.unwrap_or_else(late);
    let note = |why: Option<String>| *failure.lock().unwrap_or_else(PoisonError::into_inner) = why;
    match made {
        Ok(mut far) => {
            note(None);
            let _ended = near.set_nodelay(true);
            let _ended = copy_bidirectional(&mut near, &mut far).await;
        }
        Err(why) => {
            tracing::warn!(code = codes::APPLIANCE_SERVER_SILENT.id, server = settings.server, why, "no connection");
            note(Some(why));
        }
    }
}

async fn connect(settings: &Settings) -> Result<Box<dyn Stream>, String> {
    let stream = match settings.address {
        Some(address) => TcpStream::connect(SocketAddr::from((address, settings.port))).await,
        None => TcpStream::connect((settings.host.as_str(), settings.port)).await,
    };
    let mut stream = stream.map_err(|error| format!("no connection: {error}"))?;
    stream.set_nodelay(true).map_err(|error| format!("no connection: {error}"))?;
    set_timeouts(&stream).map_err(|error| format!("the connection cannot be bounded: {error}"))?;
    let Some((tls, name)) = &settings.tls else { return Ok(Box::new(stream)) };
    let broke = |error: std::io::Error| format!("the server did not answer: {error}");
    stream.write_all(&TLS_REQUEST).await.map_err(broke)?;
    // Exactly one byte is read, so that unauthenticated data after it is not taken for part of TLS.
    if stream.read_u8().await.map_err(broke)? != AGREED {
        return Err("the server has no TLS".to_owned());
    }
    let secured = TlsConnector::from(tls.clone()).connect(name.clone(), stream).await;
    Ok(Box::new(secured.map_err(|error| format!("no TLS: {error}"))?))
}

/// Makes a connection end when the server is gone, both while sending and while waiting for an answer.
fn set_timeouts(stream: &TcpStream) -> rustix::io::Result<()> {
    sockopt::set_tcp_user_timeout(stream, UNANSWERED)?;
    sockopt::set_tcp_keepidle(stream, QUIET)?;
    sockopt::set_tcp_keepintvl(stream, QUIET)?;
    sockopt::set_socket_keepalive(stream, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pending_query_notices_lost_server() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        set_timeouts(&stream).unwrap();
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), QUIET);
        assert_eq!(sockopt::tcp_keepintvl(&stream).unwrap(), QUIET);
        assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), UNANSWERED);
    }
}
