//! A bound on connections. The port is open to everything that reaches the node, and a stranger costs a handshake.

use std::io;
use std::sync::Arc;

use axum_server::accept::Accept;
use axum_server::tls_rustls::RustlsAcceptor;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::server::TlsStream;

use super::held::Held;

/// Connections at the same time, those that are still shaking hands included; more are closed at once.
const CONNECTIONS: usize = 64;

/// Accepts a bounded number of connections.
#[derive(Clone)]
pub(crate) struct Bounded {
    tls: RustlsAcceptor,
    places: Arc<Semaphore>,
}

impl Bounded {
    pub(crate) fn new(tls: RustlsAcceptor) -> Self {
        Self { tls, places: Arc::new(Semaphore::new(CONNECTIONS)) }
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for Bounded {
    type Stream = Held<TlsStream<TcpStream>>;
    type Service = <RustlsAcceptor as Accept<TcpStream, S>>::Service;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let place = self.places.clone().try_acquire_owned();
        let accepted = self.tls.accept(stream, service);
        async move {
            let place = place.map_err(|_| io::Error::other("too many connections"))?;
            let (stream, service) = accepted.await?;
            Ok((Held::new(stream, place), service))
        }
        .boxed()
    }
}
