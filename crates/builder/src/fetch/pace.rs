//! Minimum pace of a response body.
//!
//! Threats: a server may keep a connection open and send nothing, or an occasional byte, which every time limit between
//! two bytes permits. A build would wait forever. Only time spent waiting for the server counts, not time during which
//! the disk is slower than the network.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

/// Bytes that must arrive within the time limit: few enough for six transfers on a slow line.
const LEAST_BYTES: usize = 16 << 10;

/// Error for a body that delivered almost nothing for too long.
#[derive(Debug, thiserror::Error)]
#[error("it sent only {bytes} bytes in {} s", .within.as_secs())]
pub(super) struct StallError {
    bytes: usize,
    within: Duration,
}

/// Time spent waiting for a body since enough bytes arrived.
#[derive(Debug)]
pub(super) struct Pace {
    longest: Duration,
    waited: Duration,
    bytes: usize,
}

impl Pace {
    /// Allows `longest` in total for each [`LEAST_BYTES`].
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, waited: Duration::ZERO, bytes: 0 }
    }

    /// Waits for a piece within the remaining time.
    pub(super) async fn wait<T>(&mut self, piece: impl Future<Output = T>) -> Result<T, StallError> {
        let begun = Instant::now();
        let left = self.longest.saturating_sub(self.waited);
        let stalled = StallError { bytes: self.bytes, within: self.longest };
        let piece = tokio::time::timeout(left, piece).await.map_err(|_| stalled)?;
        self.waited += begun.elapsed();
        Ok(piece)
    }

    /// Counts the bytes of a piece.
    pub(super) fn count(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes >= LEAST_BYTES {
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        }
    }
}

/// Wraps a stream; if it stalls, the error contains [`StallError`].
pub(super) fn with_pace(
    pieces: BoxStream<'static, io::Result<Bytes>>,
    longest: Duration,
) -> BoxStream<'static, io::Result<Bytes>> {
    let begun = (pieces, Pace::new(longest));
    stream::unfold(begun, |(mut pieces, mut pace)| async move {
        let piece = match pace.wait(pieces.next()).await {
            Ok(piece) => piece?,
            Err(stalled) => Err(io::Error::new(io::ErrorKind::TimedOut, stalled)),
        };
        if let Ok(bytes) = &piece {
            pace.count(bytes.len());
        }
        Some((piece, (pieces, pace)))
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that arrive of pieces with these lengths, one every 100 ms, with a limit of 350 ms.
    async fn receive_pieces(lengths: &[usize]) -> (usize, Option<io::Error>) {
        let pieces = stream::iter(lengths.to_vec()).then(|length| async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(Bytes::from(vec![0; length]))
        });
        let mut pieces = with_pace(pieces.boxed(), Duration::from_millis(350));
        let mut bytes = 0;
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => bytes += piece.len(),
                Err(error) => return (bytes, Some(error)),
            }
        }
        (bytes, None)
    }

    #[tokio::test]
    async fn trickle_counts_as_stall() {
        let (bytes, error) = receive_pieces(&[LEAST_BYTES, 1, 1, 1, 1, 1]).await;
        assert!((LEAST_BYTES + 1..LEAST_BYTES + 4).contains(&bytes), "{bytes}");
        let error = error.expect("stalled");
        assert!(error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<StallError>), "{error}");
    }

    #[tokio::test]
    async fn slow_body_is_read_whole() {
        let (bytes, error) = receive_pieces(&[LEAST_BYTES; 8]).await;
        assert_eq!((bytes, error.map(|error| error.to_string())), (8 * LEAST_BYTES, None));
    }
}
