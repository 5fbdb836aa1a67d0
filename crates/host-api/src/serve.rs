//! Server: HTTP/1.1 over TLS 1.3, for the one client whose certificate is known.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::middleware::from_fn;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use landfall_peer::{BoundedAcceptor, one_host};
use rustls::ServerConfig;

use super::routes::router;
use super::site::Site;

/// Maximum number of concurrent connections.
const CONNECTIONS: usize = 64;
/// Time limit of a client's handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Time limit for the first request of a connection.
const FIRST_REQUEST: Duration = Duration::from_secs(30);
/// Time limit for the head of each further request. The console keeps connections for its next question.
const IDLE: Duration = Duration::from_mins(5);

/// Serves until the future completes, or until the listener fails.
pub async fn serve(
    site: Arc<dyn Site>,
    listener: TcpListener,
    tls: ServerConfig,
    until: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let handle = Handle::new();
    let stopping = handle.clone();
    tokio::spawn(async move {
        until.await;
        stopping.shutdown();
    });
    listener.set_nonblocking(true)?;
    let tls = RustlsAcceptor::new(RustlsConfig::from_config(Arc::new(tls))).handshake_timeout(HANDSHAKE);
    let mut server = axum_server::from_tcp(listener)?.acceptor(BoundedAcceptor::new(tls, CONNECTIONS)).http1_only();
    server.http_builder().http1().header_read_timeout(IDLE);
    let server = server.handle(handle).first_request_timeout(FIRST_REQUEST);
    server.serve(router(site).layer(from_fn(one_host)).into_make_service()).await
}
