//! The listener.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use landfall_error_codes::codes;

use super::router::router;
use crate::error::{Context as _, Result};
use crate::host::Site;
use crate::listener::{Limits, end_on_signal, serve_plain};

/// Limits for short questions and answers.
const LIMITS: Limits = Limits { head: Duration::from_secs(10), buffer: 8 << 10, connections: 250, stalled_ms: 10_000 };

/// Listens at an address. The returned future serves until a signal ends the process.
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

/// Serves on a listener until the handle ends it.
pub async fn serve_on(listener: TcpListener, site: Arc<Site>, handle: Handle<SocketAddr>) -> Result<()> {
    serve_plain(listener, router(site), LIMITS, handle).await
}
