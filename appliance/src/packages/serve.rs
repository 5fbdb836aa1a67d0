//! Life of the index, from checked settings to its end.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum_server::Handle;
use landfall_error_codes::codes;
use landfall_packages::Index;
use landfall_packages::npm::Registry;

use super::router::{ServedPackages, router};
use super::settings::Settings;
use crate::error::{Context as _, Result};
use crate::listener::{Limits, end_on_signal, serve_plain};

/// Limits: uv opens fifty connections for an installation, and npm fifteen; each holds a piece of a file.
const LIMITS: Limits = Limits { head: Duration::from_secs(30), buffer: 16 << 10, connections: 250, stalled_ms: 60_000 };

/// Serves until a signal ends the process.
pub async fn serve(settings: Settings) -> Result<()> {
    let Settings { listen, folder, wheels, npm } = settings;
    let (projects, files) = wheels.as_ref().map(Index::counts).unwrap_or_default();
    let (packages, tarballs) = npm.as_ref().map(Registry::counts).unwrap_or_default();
    let failed = || format!("cannot accept connections at {listen}");
    let listener = TcpListener::bind(listen).context(codes::APPLIANCE_LISTEN, failed)?;
    let handle = Handle::new();
    tokio::spawn(end_on_signal(handle.clone(), "package index")?);
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(
        address = %listen,
        projects,
        wheels = files,
        packages,
        tarballs,
        version,
        "the package index accepts connections"
    );
    serve_on(listener, ServedPackages::new(folder, wheels, npm), handle).await
}

/// Serves on a listener until the handle ends it.
pub async fn serve_on(listener: TcpListener, index: ServedPackages, handle: Handle<SocketAddr>) -> Result<()> {
    serve_plain(listener, router(index), LIMITS, handle).await
}
