//! Estimate of a plan's remaining time on this machine, learned from the steps that this run has done.

use std::time::{Duration, Instant};

/// Prior weight: the machine is assumed to be as fast as the reference machine until measured time outweighs this much.
const PRIOR: Duration = Duration::from_secs(10);

/// Speed of a run compared with the predictions of its steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    began: Instant,
    /// Sum of the predicted durations of finished steps.
    predicted: Duration,
}

impl Pace {
    /// Starts the measurement of a run.
    pub(super) fn begin(now: Instant) -> Self {
        Self { began: now, predicted: Duration::ZERO }
    }

    /// Records a finished step by its predicted duration.
    pub(super) fn record_step(&mut self, predicted: Duration) {
        self.predicted += predicted;
    }

    /// Returns the expected duration, at this pace, of steps with this prediction.
    pub(super) fn rest(&self, now: Instant, predicted: Duration) -> Duration {
        let taken = now.duration_since(self.began) + PRIOR;
        predicted.mul_f64(taken.as_secs_f64() / (self.predicted + PRIOR).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_predicts_remaining_time() {
        let seconds = Duration::from_secs;
        // (predicted and done, taken, predicted rest, expected rest)
        let cases = [
            (0, 0, 100, 100, "nothing is known"),
            (100, 100, 60, 60, "as predicted"),
            (90, 990, 60, 600, "a machine ten times slower"),
            (90, 15, 60, 15, "a fast one"),
            (1, 1, 60, 60, "little is known"),
            (0, 10, 100, 200, "the first step already takes long"),
            (50, 500, 0, 0, "nothing is left"),
        ];
        for (done, taken, left, expected, what) in cases {
            let began = Instant::now();
            let mut pace = Pace::begin(began);
            pace.record_step(seconds(done));
            assert_eq!(pace.rest(began + seconds(taken), seconds(left)), seconds(expected), "{what}");
        }
    }
}
