//! Rate limit of requests: a burst, and then one more after each pause.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Token bucket, initially full.
#[derive(Debug)]
pub(crate) struct Allowance {
    burst: u32,
    pause: Duration,
    /// Time when the bucket will be full again; `None` while it is.
    full: Mutex<Option<Instant>>,
}

impl Allowance {
    /// Allows `burst` at once, and one more after each pause.
    pub(crate) fn new(burst: u32, pause: Duration) -> Self {
        Self { burst, pause, full: Mutex::default() }
    }

    /// Takes a token, if there is one. Otherwise returns the time until there is.
    pub(crate) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let until = full.map_or(now, |full| full.max(now)) + self.pause;
        let most = now + self.pause * self.burst;
        if until > most {
            return Err(until - most);
        }
        *full = Some(until);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn allowance_permits_burst_then_pauses() {
        let (allowance, pause, begin) = (Allowance::new(3, PAUSE), PAUSE, Instant::now());
        let taken = |now: Instant| (0..10).take_while(|_| allowance.take(now).is_ok()).count();
        assert_eq!(taken(begin), 3);
        assert_eq!(allowance.take(begin + pause / 4), Err(pause * 3 / 4));
        assert_eq!(taken(begin + pause), 1);
        assert_eq!(taken(begin + pause * 2 + pause / 2), 1);
        assert_eq!(taken(begin + pause * 3), 1, "a refused one costs nothing");
        assert_eq!(taken(begin + pause * 100), 3, "the burst is never larger");
    }

    const PAUSE: Duration = Duration::from_secs(10);
}
