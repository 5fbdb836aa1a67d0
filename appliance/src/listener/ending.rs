//! End of a listener by a signal.

use std::net::SocketAddr;
use std::time::Duration;

use axum_server::Handle;
use landfall_error_codes::codes;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Context as _, Result};

/// Time for requests to end after the signal; the kubelet waits longer.
const FAREWELL: Duration = Duration::from_secs(8);

/// Ends a server at SIGTERM or SIGINT: running requests may end, new connections are refused.
pub fn end_on_signal(handle: Handle<SocketAddr>, server: &'static str) -> Result<impl Future<Output = ()>> {
    let failed = || "signals cannot be received".to_owned();
    let mut terminate = signal(SignalKind::terminate()).context(codes::BUG, failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).context(codes::BUG, failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("the {server} ends");
        handle.graceful_shutdown(Some(FAREWELL));
    })
}
