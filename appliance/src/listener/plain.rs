//! Listeners without TLS, for programs within the cluster: the data that they receive is signed, or has a hash that
//! they know.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use axum_server::Handle;
use axum_server::accept::DefaultAcceptor;
use landfall_error_codes::codes;
use landfall_peer::{BoundedAcceptor, one_host, read_rest};

use crate::error::{Context as _, Result};

/// Limits of a listener's clients.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Time limit for the head of each request, including the wait for the next one on the same connection.
    pub head: Duration,
    /// Maximum size of a request's head, in bytes; at least 8 KiB.
    pub buffer: usize,
    /// Maximum number of concurrent connections.
    pub connections: usize,
    /// Time after which a connection whose client takes no byte ends, in milliseconds.
    pub stalled_ms: u32,
}

/// Serves on a listener until the handle ends it. Handlers can read the client's address.
pub async fn serve_plain(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    handle: Handle<SocketAddr>,
) -> Result<()> {
    let failed = || "the server ended".to_owned();
    listener.set_nonblocking(true).context(codes::APPLIANCE_LISTEN, failed)?;
    // Connections inherit it from the listener.
    rustix::net::sockopt::set_tcp_user_timeout(&listener, limits.stalled_ms)
        .context(codes::APPLIANCE_LISTEN, failed)?;
    let server = axum_server::from_tcp(listener).context(codes::APPLIANCE_LISTEN, failed)?;
    let mut server = server.acceptor(BoundedAcceptor::new(DefaultAcceptor::new(), limits.connections)).http1_only();
    server.http_builder().http1().header_read_timeout(limits.head).max_buf_size(limits.buffer);
    let server = server.handle(handle).first_request_timeout(limits.head);
    let service =
        router.layer(from_fn(one_host)).layer(from_fn(read_rest)).into_make_service_with_connect_info::<SocketAddr>();
    server.serve(service).await.context(codes::APPLIANCE_LISTEN, failed)
}
