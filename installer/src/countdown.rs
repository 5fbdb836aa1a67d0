//! Remaining time of an operation, from the prediction of its latest step.

use std::time::{Duration, Instant};

use indicatif::HumanDuration;

/// A prediction with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Countdown {
    predicted: Duration,
    at: Instant,
}

impl Countdown {
    /// Creates a prediction made at `now`; `None` for a zero duration.
    pub(crate) fn new(predicted: Duration, now: Instant) -> Option<Self> {
        (!predicted.is_zero()).then_some(Self { predicted, at: now })
    }

    /// Text about the remaining time.
    pub(crate) fn text(&self, now: Instant) -> String {
        let left = self.predicted.saturating_sub(now.saturating_duration_since(self.at));
        if left.is_zero() {
            return "longer than predicted".to_owned();
        }
        format!("about {} left", HumanDuration(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countdown_shrinks_between_events() {
        let begun = Instant::now();
        let countdown = Countdown::new(Duration::from_mins(7), begun).unwrap();
        let after = |seconds| countdown.text(begun + Duration::from_secs(seconds));
        for (seconds, left) in [
            (0, "about 7 minutes left"),
            (180, "about 4 minutes left"),
            (390, "about 30 seconds left"),
            (419, "about 1 second left"),
            (420, "longer than predicted"),
            (4000, "longer than predicted"),
        ] {
            assert_eq!(after(seconds), left);
        }
        assert_eq!(Countdown::new(Duration::ZERO, begun), None);
    }
}
