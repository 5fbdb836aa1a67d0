//! Connection to the syslog server.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::settings::Settings;
use super::watch::Times;

/// Time limit of a connection and its handshakes.
const CONNECT: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 10 });

/// Bidirectional byte stream.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open connection. It ends when the server has not acknowledged data for a while.
pub struct Link(Box<dyn Stream>);

impl Link {
    /// Connects. The error is a text for people.
    pub async fn open(settings: &Settings, times: Times) -> Result<Self, String> {
        let late = |_| format!("no connection was made in {} seconds", CONNECT.as_secs());
        timeout(CONNECT, Self::connect(settings, times)).await.map_err(late)?
    }

    async fn connect(settings: &Settings, times: Times) -> Result<Self, String> {
        let stream = match settings.address {
            Some(address) => TcpStream::connect(SocketAddr::from((address, settings.port))).await,
            None => TcpStream::connect((settings.host.as_str(), settings.port)).await,
        };
        let stream = stream.map_err(|error| format!("no connection: {error}"))?;
        let patience = u32::try_from(times.unanswered.as_millis()).unwrap_or(u32::MAX);
        rustix::net::sockopt::set_tcp_user_timeout(&stream, patience)
            .map_err(|error| format!("the connection cannot be bounded: {error}"))?;
        let Some((tls, name)) = &settings.tls else { return Ok(Self(Box::new(stream))) };
        let secured = TlsConnector::from(tls.clone()).connect(name.clone(), stream).await;
        Ok(Self(Box::new(secured.map_err(|error| format!("no TLS: {error}"))?)))
    }

    /// Sends messages, each preceded by its octet count.
    pub async fn send(&mut self, messages: &[String], times: Times) -> Result<(), String> {
        let mut bytes = Vec::new();
        for message in messages {
            bytes.extend_from_slice(format!("{} ", message.len()).as_bytes());
            bytes.extend_from_slice(message.as_bytes());
        }
        let written = async {
            self.0.write_all(&bytes).await?;
            self.0.flush().await
        };
        let late = |_| format!("the server has taken nothing for {} seconds", times.unanswered.as_secs());
        timeout(times.unanswered, written)
            .await
            .map_err(late)?
            .map_err(|error| format!("the connection broke: {error}"))
    }

    /// Waits, and detects that the server has closed the connection. A server has nothing to say, so its data is
    /// dropped.
    pub async fn wait(&mut self, pause: Duration) -> Result<(), String> {
        let end = tokio::time::Instant::now() + pause;
        let mut dropped = [0; 512];
        loop {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            match timeout(left, self.0.read(&mut dropped)).await {
                Err(_) => return Ok(()),
                Ok(Ok(0)) => return Err("the server closed the connection".to_owned()),
                Ok(Ok(_)) if left.is_zero() => return Ok(()),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(format!("the connection broke: {error}")),
            }
        }
    }
}
