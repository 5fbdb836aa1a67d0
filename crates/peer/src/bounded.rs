//! Limits on a server's connections, on those of each address, and on how slowly a client reads its answers. Its port
//! is open to everything that reaches the node, and each unknown client costs a handshake.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::pace::{Pace, Rate, SLOWEST};

/// Slots for connections. An address holds at most as many as are free, so that a single one takes half of them, and a
/// second one a quarter. An address without a connection finds a slot until the last one is taken.
#[derive(Clone)]
struct Places {
    most: usize,
    taken: Arc<Mutex<TakenPlaces>>,
}

#[derive(Default)]
struct TakenPlaces {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, TakenPlaces> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut taken = self.lock();
        let own = taken.of.get(&address).copied().unwrap_or_default();
        if own >= self.most.saturating_sub(taken.all) {
            return None;
        }
        taken.all += 1;
        taken.of.insert(address, own + 1);
        Some(Place { places: self.clone(), address })
    }
}

/// A slot that is taken until it is dropped.
struct Place {
    places: Places,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all = taken.all.saturating_sub(1);
        let left = taken.of.get(&self.address).copied().unwrap_or_default().saturating_sub(1);
        if left == 0 {
            taken.of.remove(&self.address);
        } else {
            taken.of.insert(self.address, left);
        }
    }
}

/// Returns the unit that counts as one address: a device has a whole /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() & (u128::MAX << 64)).into(),
        four @ IpAddr::V4(_) => four,
    }
}

/// Acceptor of a limited number of connections.
#[derive(Clone)]
pub struct BoundedAcceptor<A> {
    acceptor: A,
    places: Places,
    slowest: Rate,
}

impl<A> BoundedAcceptor<A> {
    /// Limits concurrent connections to `most`, including those in their handshake; further ones are closed
    /// immediately. One address holds at most as many as are free.
    pub fn new(acceptor: A, most: usize) -> Self {
        Self { acceptor, places: Places { most, taken: Arc::default() }, slowest: SLOWEST }
    }

    /// Returns the same acceptor with another minimum rate for each client.
    #[must_use]
    pub fn slowest(self, slowest: Rate) -> Self {
        Self { slowest, ..self }
    }
}

impl<A, S> Accept<TcpStream, S> for BoundedAcceptor<A>
where
    A: Accept<TcpStream, S>,
    A::Stream: Send,
    A::Service: Send,
    A::Future: Send + 'static,
{
    type Stream = HeldConnection<A::Stream>;
    type Service = A::Service;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    /// Accepts a connection whose answers are sent without delay. Otherwise their last part would wait for the
    /// acknowledgment of the first, which the other side delays by 40 ms.
    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        // Without this option the answer is only late.
        let _delays = stream.set_nodelay(true);
        let place = stream.peer_addr().map(|peer| self.places.take(peer.ip()));
        let accepted = self.acceptor.accept(stream, service);
        let watched = Pace::new(self.slowest);
        async move {
            let place = place?.ok_or_else(|| io::Error::other("too many connections"))?;
            let (stream, service) = accepted.await?;
            Ok((HeldConnection { stream, pace: watched, _place: place }, service))
        }
        .boxed()
    }
}

/// A connection with its slot, which it frees when it ends.
pub struct HeldConnection<T> {
    stream: T,
    pace: Pace,
    _place: Place,
}

impl<T: AsyncRead + Unpin> AsyncRead for HeldConnection<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for HeldConnection<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.pace.write(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.pace.flush(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum_server::accept::DefaultAcceptor;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    /// Returns a client and the server's side of its connection; the client must take this many bytes in this time.
    async fn connect_pair(bytes: usize, within: Duration) -> (TcpStream, HeldConnection<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let bounded = BoundedAcceptor::new(DefaultAcceptor::new(), 1).slowest(Rate { bytes, within });
        (client, bounded.accept(stream, ()).await.unwrap().0)
    }

    /// More bytes than the kernel buffers for a client.
    const ANSWER: usize = 64 << 20;

    /// Sends the answer, and flushes it.
    async fn answer(held: &mut HeldConnection<TcpStream>) -> io::Result<()> {
        held.write_all(&vec![1; ANSWER]).await?;
        held.flush().await
    }

    #[tokio::test]
    async fn stopped_reader_is_cut_off() {
        let within = Duration::from_millis(300);
        let (_client, mut held) = connect_pair(1 << 10, within).await;
        let begun = Instant::now();
        let cut = timeout(Duration::from_secs(20), answer(&mut held)).await.unwrap().unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::TimedOut, "{cut}");
        assert!(begun.elapsed() >= within, "it had its time");
    }

    #[tokio::test]
    async fn only_trickling_reader_is_cut_off() {
        let (mut client, mut held) = connect_pair(8 << 20, Duration::from_millis(500)).await;
        let trickle = tokio::spawn(async move {
            let mut few = [0; 1000];
            while client.read_exact(&mut few).await.is_ok() {
                sleep(Duration::from_millis(2)).await;
            }
        });
        let cut = timeout(Duration::from_secs(20), answer(&mut held)).await.unwrap().unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::TimedOut, "{cut}");
        trickle.abort();

        let (mut client, mut held) = connect_pair(1 << 10, Duration::from_millis(500)).await;
        let slow = tokio::spawn(async move {
            let (mut part, mut taken) = (vec![0; 1 << 20], 0);
            while taken < ANSWER {
                taken += client.read(&mut part).await.unwrap();
                sleep(Duration::from_millis(5)).await;
            }
        });
        timeout(Duration::from_mins(1), answer(&mut held)).await.unwrap().unwrap();
        slow.await.unwrap();
        sleep(Duration::from_secs(1)).await;
        assert!(held.write_all(b"later").await.is_ok(), "nothing waited for the client");
    }

    #[tokio::test]
    async fn connections_use_nodelay() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert!(!stream.nodelay().unwrap(), "the kernel's default");
        let (held, ()) = BoundedAcceptor::new(DefaultAcceptor::new(), 1).accept(stream, ()).await.unwrap();
        assert!(held.stream.nodelay().unwrap());
    }

    #[test]
    fn one_address_leaves_room_for_others() {
        let places = Places { most: 800, taken: Arc::default() };
        let of = |text: &str| text.parse::<IpAddr>().unwrap();
        let greedy: Vec<_> = (0..1000).filter_map(|_| places.take(of("192.0.2.1"))).collect();
        assert_eq!(greedy.len(), 400);
        let second: Vec<_> = (0..1000).filter_map(|_| places.take(of("192.0.2.2"))).collect();
        assert_eq!(second.len(), 200);
        assert!(places.take(of("192.0.2.3")).is_some(), "an address without a connection");
        drop((greedy, second));
        let taken = places.lock();
        assert!(taken.all == 0 && taken.of.is_empty(), "all are free again");
    }

    #[test]
    fn ipv6_network_counts_as_one_address() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
