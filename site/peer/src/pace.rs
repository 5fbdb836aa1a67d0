//! A client that takes what it asked for too slowly, or not at all, holds a connection and the memory of its answer. It is cut.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// What a client has to take while something waits for it.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// So many bytes at least
    pub bytes: usize,
    /// in each span of this length.
    pub within: Duration,
}

/// What every client has to take: about a kilobyte in a second, as the slowest line does.
pub const SLOWEST: Rate = Rate { bytes: 64 << 10, within: Duration::from_mins(1) };

/// Watches what one client takes. Time counts only while something waits to be taken.
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

    /// What becomes of an attempt to write.
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

    /// What becomes of an attempt to send all that was written.
    pub(crate) fn flush(&mut self, context: &mut Context<'_>, flushed: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        match flushed {
            Poll::Pending => self.wait(context).map(Err),
            done @ Poll::Ready(_) => {
                self.span = None;
                done
            }
        }
    }

    /// Waits for the client; ready with why it is cut.
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
