//! How long the rest of a plan takes on this machine, learned from the steps that this run has done.

use std::time::{Duration, Instant};

/// Before much has been done, a machine counts as fast as the reference machine: it has done this much in its time.
const PRIOR: Duration = Duration::from_secs(10);

/// How fast steps go, compared with their predictions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    began: Instant,
    /// Predicted duration of what this run has done.
    predicted: Duration,
}

impl Pace {
    /// A run that begins now.
    pub(super) fn begin(now: Instant) -> Self {
        Self { began: now, predicted: Duration::ZERO }
    }

    /// A step is done whose prediction was this.
    pub(super) fn done(&mut self, predicted: Duration) {
        self.predicted += predicted;
    }

    /// How long steps will take at this pace that are predicted to take so long.
    pub(super) fn rest(&self, now: Instant, predicted: Duration) -> Duration {
        let taken = now.duration_since(self.began) + PRIOR;
        predicted.mul_f64(taken.as_secs_f64() / (self.predicted + PRIOR).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_predicted_by_what_was_done() {
        let seconds = Duration::from_secs;
        // (predicted and done, taken, predicted rest, expected rest)
        let cases = [
            (0, 0, 100, 100, "nothing is known"),
            (100, 100, 60, 60, "as predicted"),
            (90, 990, 60, 600, "a machine that is ten times as slow"),
            (90, 15, 60, 15, "a fast one"),
            (1, 1, 60, 60, "little is known"),
            (0, 10, 100, 200, "the first step already takes long"),
            (50, 500, 0, 0, "nothing is left"),
        ];
        for (done, taken, left, expected, what) in cases {
            let began = Instant::now();
            let mut pace = Pace::begin(began);
            pace.done(seconds(done));
            assert_eq!(pace.rest(began + seconds(taken), seconds(left)), seconds(expected), "{what}");
        }
    }
}
