//! Life of the server, from checked settings to its end.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::middleware::from_fn;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use landfall_error_codes::codes;
use landfall_peer::{BoundedAcceptor, one_host};

use super::router::router;
use crate::answers;
use crate::certificate;
use crate::configuration::Configuration;
use crate::context::Context;
use crate::database::Database;
use crate::directory;
use crate::error::{Context as _, Result};
use crate::forward;
use crate::host::{self, Client, Site};
use crate::ingress;
use crate::listener::end_on_signal;
use crate::people;
use crate::trend;

/// Time limit for the first request of a connection, so that idle ones are closed.
const FIRST_REQUEST: Duration = Duration::from_secs(30);
/// Time limit for the head of each request, including the wait for the next one on the same connection.
const HEAD: Duration = Duration::from_secs(30);
/// Maximum size of a request's head, in bytes, and of the buffered part of a body.
const BUFFER: usize = 64 << 10;

/// Time after which a connection whose client takes no byte ends, in milliseconds.
const STALLED_MS: u32 = 60_000;
/// Maximum number of concurrent connections, including those of programs that listen to an operation.
const CONNECTIONS: usize = 800;

/// Serves until a signal ends the process.
pub async fn serve(configuration: Configuration) -> Result<()> {
    let database = Database::open_in(&configuration.data, &configuration.storage).await?;
    let client = Client::new(configuration.host_address.clone(), configuration.client.clone());
    let context = Context::new(database, Site::new(Arc::new(client)));
    let failed = || format!("cannot accept connections at {}", configuration.listen);
    let listener = TcpListener::bind(configuration.listen).context(codes::APPLIANCE_LISTEN, failed)?;
    let tls = RustlsConfig::from_config(configuration.server.clone());
    let standing = context.certificate.clone();
    tokio::spawn(certificate::renew(configuration.certificates.clone(), tls.clone(), standing));
    if let Some(folder) = configuration.directory.clone() {
        tokio::spawn(directory::watch(context.directory.clone(), folder));
    }
    if let Some(folder) = configuration.syslog.clone() {
        tokio::spawn(forward::watch(context.database.clone(), context.forward.clone(), folder));
    }
    if let Some(folder) = configuration.ingress.clone() {
        tokio::spawn(ingress::watch(context.ingress.clone(), folder));
    }
    if let Some(address) = configuration.answers {
        tokio::spawn(answers::serve(address, context.site.clone())?);
    }
    let handle = Handle::new();
    let (ending, site) = (end_on_signal(handle.clone(), "console")?, context.site.clone());
    tokio::spawn(async move {
        ending.await;
        // Their connections would otherwise last until the time for ending requests is over.
        site.end_listeners();
    });
    tracing::info!(
        address = %configuration.listen,
        version = env!("CARGO_PKG_VERSION"),
        "the console accepts connections"
    );
    serve_on(listener, tls, context, handle).await
}

/// Serves on a listener until the handle ends it, then closes the database.
pub async fn serve_on(
    listener: TcpListener,
    tls: RustlsConfig,
    context: Context,
    handle: Handle<SocketAddr>,
) -> Result<()> {
    let failed = || "the server ended".to_owned();
    let following = tokio::spawn(host::follow(context.site.clone()));
    let watched = context.clone();
    let watching = tokio::spawn(async move { watched.audit.watch(&watched.database).await });
    let signed = context.clone();
    let signing = tokio::spawn(async move { signed.signing.watch(&signed.database, &signed.site).await });
    let telling = tokio::spawn(people::keep_told(context.clone()));
    let counting = tokio::spawn(people::record_hours(context.clone()));
    let observing = tokio::spawn(trend::watch(context.clone()));
    listener.set_nonblocking(true).context(codes::APPLIANCE_LISTEN, failed)?;
    // Connections inherit it from the listener.
    rustix::net::sockopt::set_tcp_user_timeout(&listener, STALLED_MS).context(codes::APPLIANCE_LISTEN, failed)?;
    let server = axum_server::from_tcp(listener).context(codes::APPLIANCE_LISTEN, failed)?;
    let mut server = server.acceptor(BoundedAcceptor::new(RustlsAcceptor::new(tls), CONNECTIONS)).http1_only();
    server.http_builder().http1().header_read_timeout(HEAD).max_buf_size(BUFFER);
    let routes = router(context.clone()).layer(from_fn(one_host)).into_make_service_with_connect_info::<SocketAddr>();
    let server = server.handle(handle).first_request_timeout(FIRST_REQUEST);
    let result = server.serve(routes).await.context(codes::APPLIANCE_LISTEN, failed);
    following.abort();
    watching.abort();
    signing.abort();
    telling.abort();
    counting.abort();
    people::record_rest(&context).await;
    observing.abort();
    context.database.close().await;
    tracing::info!("the console has ended");
    result
}
