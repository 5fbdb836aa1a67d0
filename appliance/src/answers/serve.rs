//! The listener.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::accept::DefaultAcceptor;
use landfall_error_codes::codes;
use landfall_peer::Bounded;

use super::router::router;
use crate::error::{Context as _, Result};
use crate::host::Site;
use crate::server::end_on_signal;

/// For the head of each request to arrive, the wait for a next one on the same connection included.
const HEAD: Duration = Duration::from_secs(10);

/// Longest head of a request, in bytes: the least that the server can be told.
const BUFFER: usize = 8 << 10;

/// Connections at the same time.
const CONNECTIONS: usize = 250;

/// After this time, a connection ends whose client takes no byte, in milliseconds.
const STALLED_MS: u32 = 10_000;

/// Listens at an address. The result serves until a signal ends the process.
pub fn serve(address: SocketAddr, site: Arc<Site>) -> Result<impl Future<Output = ()>> {
    let failed = || format!("cannot answer software at {address}");
    let listener = TcpListener::bind(address).context(codes::APPLIANCE_LISTEN, failed)?;
    let handle = Handle::new();
    tokio::spawn(end_on_signal(handle.clone(), "listener of software")?);
    Ok(async move {
        tracing::info!(%address, "software is answered that asks about the license");
        if let Err(error) = serve_on(listener, site, handle).await {
            tracing::error!(%error, "software is no longer answered");
        }
    })
}

/// Serves on a listener until the handle says otherwise.
pub async fn serve_on(listener: TcpListener, site: Arc<Site>, handle: Handle<SocketAddr>) -> Result<()> {
    let failed = || "the server ended".to_owned();
    listener.set_nonblocking(true).context(codes::APPLIANCE_LISTEN, failed)?;
    // Connections have it from the listener.
    rustix::net::sockopt::set_tcp_user_timeout(&listener, STALLED_MS).context(codes::APPLIANCE_LISTEN, failed)?;
    let server = axum_server::from_tcp(listener).context(codes::APPLIANCE_LISTEN, failed)?;
    let mut server = server.acceptor(Bounded::new(DefaultAcceptor::new(), CONNECTIONS));
    server.http_builder().http1().header_read_timeout(HEAD).max_buf_size(BUFFER);
    let server = server.handle(handle).first_request_timeout(HEAD);
    let routes = router(site).into_make_service_with_connect_info::<SocketAddr>();
    server.serve(routes).await.context(codes::APPLIANCE_LISTEN, failed)
}
