//! Minimum rate of clients. A client that reads its answer too slowly, or not at all, holds a connection and the memory
//! of the answer, so it is disconnected.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Rate at which a client must read while data waits for it.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Minimum number of bytes
    pub bytes: usize,
    /// in each period of this length.
    pub within: Duration,
}

/// Minimum rate of every client: about a kilobyte per second, as on the slowest line.
pub const SLOWEST: Rate = Rate { bytes: 64 << 10, within: Duration::from_mins(1) };

/// Watches the reading of one client. Time counts only while data waits to be read.
pub(crate) struct Pace {
    rate: Rate,
    span: Option<Span>,
}

struct Span {
    end: Pin<Box<Sleep>>,
    taken: usize,
}

impl Pace {
    pub(crate) const fn new(rate: Rate) -> Self {
        Self { rate, span: None }
    }

    /// Returns the result of an attempt to write.
    pub(crate) fn write(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.wait(context).map(Err),
            Poll::Ready(Ok(count)) => {
                if let Some(span) = &mut self.span {
                    span.taken += count;
                }
                Poll::Ready(Ok(count))
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }

    /// Returns the result of an attempt to flush.
    pub(crate) fn flush(&mut self, context: &mut Context<'_>, flushed: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        match flushed {
            Poll::Pending => self.wait(context).map(Err),
            done @ Poll::Ready(_) => {
                self.span = None;
                done
            }
        }
    }

    /// Waits for the client; ready with the error that disconnects it.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let Rate { bytes, within } = self.rate;
        let span = self.span.get_or_insert_with(|| Span { end: Box::pin(sleep(within)), taken: 0 });
        while span.end.as_mut().poll(context).is_ready() {
            if span.taken < bytes {
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the client takes its answer too slowly"));
            }
            span.taken = 0;
            span.end.as_mut().reset(Instant::now() + within);
        }
        Poll::Pending
    }
}
