//! Retries after transient failures, with increasing waits.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// Attempts for an unreachable host: an unknown name, or a port without a listener. Waiting rarely helps there, and the
/// user at the terminal should see the reason soon.
const UNREACHABLE_TRIES: u32 = 3;

/// Attempts for a transfer that stalls: each takes the full time limit of a body.
const STALLED_TRIES: u32 = 3;

/// Maximum total of the waits that servers may ask of one transfer since its last progress. If a server asks for more,
/// the transfer fails with advice.
pub(super) const LONGEST_ASKED: Duration = Duration::from_mins(2);

/// Retry policy of a transfer. Progress restarts the count.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Maximum number of attempts without progress.
    pub attempts: u32,
    /// Wait after the first failure. It doubles after each later failure. A random part of up to the same length is
    /// added, so that transfers that failed together do not retry together.
    pub first_wait: Duration,
    /// Maximum wait, without the random part.
    pub longest_wait: Duration,
    /// Time for which a body may deliver almost nothing, after which the attempt fails.
    pub longest_stall: Duration,
}

impl Default for Retry {
    /// A policy with one and a half to three minutes in total.
    fn default() -> Self {
        Self {
            attempts: 9,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            longest_stall: Duration::from_secs(45),
        }
    }
}

impl Retry {
    /// Starts the retries of one transfer.
    pub fn start(&self) -> Tries {
        let waits = ExponentialBuilder::new()
            .with_factor(2.0)
            .with_min_delay(self.first_wait)
            .with_max_delay(self.longest_wait)
            .with_max_times(usize::try_from(self.attempts.saturating_sub(1)).unwrap_or(usize::MAX))
            .with_jitter();
        Tries { waits: waits.build(), failures: 0, stalls: 0, asked: Duration::ZERO }
    }
}

/// Remaining retries of one transfer.
#[derive(Debug)]
pub struct Tries {
    waits: ExponentialBackoff,
    failures: u32,
    /// Number of failures due to a stalled body.
    stalls: u32,
    /// Total of the waits that servers asked for.
    asked: Duration,
}

impl Tries {
    /// Wait after a failure; `None` when the attempts are used up. A server may ask for a longer wait.
    pub fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        self.failures += 1;
        self.asked = self.asked.saturating_add(asked.unwrap_or_default());
        if self.asked > LONGEST_ASKED {
            return None;
        }
        let wait = self.waits.next()?;
        Some(asked.map_or(wait, |asked| wait.max(asked)))
    }

    /// Like [`next`](Self::next), after a stalled body.
    pub fn next_stalled(&mut self) -> Option<Duration> {
        self.stalls += 1;
        if self.stalls >= STALLED_TRIES {
            return None;
        }
        self.next(None)
    }

    /// Like [`next`](Self::next), for an unreachable host.
    pub fn next_unreachable(&mut self) -> Option<Duration> {
        if self.failures + 1 >= UNREACHABLE_TRIES {
            return None;
        }
        self.next(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(mut next: impl FnMut(&mut Tries) -> Option<Duration>) -> Vec<Duration> {
        let mut tries = Retry::default().start();
        std::iter::from_fn(|| next(&mut tries)).collect()
    }

    #[test]
    fn waits_double_with_jitter() {
        let found = waits(|tries| tries.next(None));
        assert_eq!(found.len(), 8);
        for (wait, least) in found.iter().zip([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
            let least = Duration::from_millis(least);
            assert!(*wait >= least && *wait <= 2 * least, "{wait:?} of {least:?}");
        }
        let total: Duration = found.iter().sum();
        assert!(total > Duration::from_secs(90), "{total:?}");
        assert_ne!(found, waits(|tries| tries.next(None)), "chance");
    }

    #[test]
    fn excessive_waits_are_given_up() {
        assert!(waits(|tries| tries.next(Some(Duration::from_secs(7))))[0] >= Duration::from_secs(7));
        assert!(waits(|tries| tries.next(Some(Duration::from_hours(6)))).is_empty());
        let short = waits(|tries| tries.next(Some(Duration::from_secs(50))));
        assert_eq!(short.len(), 2, "a third wait would exceed two minutes: {short:?}");
        let unreachable = waits(Tries::next_unreachable);
        assert_eq!(unreachable.len(), 2);
        assert!(unreachable.iter().sum::<Duration>() < Duration::from_secs(4));
    }

    #[test]
    fn stalls_are_counted_separately() {
        let mut tries = Retry::default().start();
        assert!(tries.next(None).is_some() && tries.next(None).is_some());
        assert!(tries.next_stalled().is_some() && tries.next_stalled().is_some());
        assert_eq!(tries.next_stalled(), None);
        assert_eq!(waits(Tries::next_stalled).len(), 2);
    }
}
