//! A bound on the connections of a server. Its port is open to everything that reaches the node, and a stranger costs a handshake.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Accepts a bounded number of connections.
#[derive(Clone)]
pub struct Bounded<A> {
    acceptor: A,
    places: Arc<Semaphore>,
}

impl<A> Bounded<A> {
    /// Of at most so many at the same time, those that are still shaking hands included; more are closed at once.
    pub fn new(acceptor: A, most: usize) -> Self {
        Self { acceptor, places: Arc::new(Semaphore::new(most)) }
    }
}

impl<A, S> Accept<TcpStream, S> for Bounded<A>
where
    A: Accept<TcpStream, S>,
    A::Stream: Send,
    A::Service: Send,
    A::Future: Send + 'static,
{
    type Stream = Held<A::Stream>;
    type Service = A::Service;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    /// Its answers leave at once: their last part would otherwise wait until the other side has acknowledged the first, which that side
    /// delays by 40 ms.
    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        // An answer that is late is still one.
        let _delays = stream.set_nodelay(true);
        let place = self.places.clone().try_acquire_owned();
        let accepted = self.acceptor.accept(stream, service);
        async move {
            let place = place.map_err(|_| io::Error::other("too many connections"))?;
            let (stream, service) = accepted.await?;
            Ok((Held { stream, _place: place }, service))
        }
        .boxed()
    }
}

/// A connection with its place among the connections, which it frees when it ends.
pub struct Held<T> {
    stream: T,
    _place: OwnedSemaphorePermit,
}

impl<T: AsyncRead + Unpin> AsyncRead for Held<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Held<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use axum_server::accept::DefaultAcceptor;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn answers_do_not_wait_for_acknowledgments() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert!(!stream.nodelay().unwrap(), "the kernel's default");
        let (held, ()) = Bounded::new(DefaultAcceptor::new(), 1).accept(stream, ()).await.unwrap();
        assert!(held.stream.nodelay().unwrap());
    }
}
