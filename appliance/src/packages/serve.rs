//! From checked settings to a running index, and to its end.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum_server::Handle;
use axum_server::accept::DefaultAcceptor;
use landfall_error_codes::codes;
use landfall_peer::Bounded;

use super::router::{Served, router};
use super::settings::Settings;
use crate::error::{Context as _, Result};
use crate::server::end_on_signal;

/// For the head of each request to arrive, the wait for a next one on the same connection included.
const HEAD: Duration = Duration::from_secs(30);

/// Longest head of a request, in bytes.
const BUFFER: usize = 16 << 10;

/// Connections at the same time. uv opens fifty for an installation; each holds a piece of a file.
const CONNECTIONS: usize = 250;

/// After this time, a connection ends whose client takes no byte, in milliseconds.
const STALLED_MS: u32 = 60_000;

/// Serves until a signal ends the process.
pub async fn serve(settings: Settings) -> Result<()> {
    let Settings { listen, folder, index } = settings;
    let (projects, wheels) = index.counts();
    let failed = || format!("cannot accept connections at {listen}");
    let listener = TcpListener::bind(listen).context(codes::APPLIANCE_LISTEN, failed)?;
    let handle = Handle::new();
    tokio::spawn(end_on_signal(handle.clone(), "package index")?);
    tracing::info!(address = %listen, projects, wheels, version = env!("CARGO_PKG_VERSION"), "the package index accepts connections");
    serve_on(listener, Served::new(index, folder), handle).await
}

/// Serves on a listener until the handle says otherwise.
pub async fn serve_on(listener: TcpListener, index: Served, handle: Handle<SocketAddr>) -> Result<()> {
    let failed = || "the server ended".to_owned();
    listener.set_nonblocking(true).context(codes::APPLIANCE_LISTEN, failed)?;
    // Connections have it from the listener.
    rustix::net::sockopt::set_tcp_user_timeout(&listener, STALLED_MS).context(codes::APPLIANCE_LISTEN, failed)?;
    let server = axum_server::from_tcp(listener).context(codes::APPLIANCE_LISTEN, failed)?;
    let mut server = server.acceptor(Bounded::new(DefaultAcceptor::new(), CONNECTIONS));
    server.http_builder().http1().header_read_timeout(HEAD).max_buf_size(BUFFER);
    let server = server.handle(handle).first_request_timeout(HEAD);
    server.serve(router(index).into_make_service()).await.context(codes::APPLIANCE_LISTEN, failed)
}
