//! Schedule of certificate checks: each hour, each minute after a failed renewal, and immediately after the clock was
//! set. A certificate that has expired under a wrong clock may be valid under the right one, and vice versa.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

const INTERVAL: Duration = Duration::from_hours(1);
const INTERVAL_AFTER_FAILURE: Duration = Duration::from_mins(1);
/// Threshold for a set clock; gradual corrections are smaller.
const SET_BY: SignedDuration = SignedDuration::from_mins(1);

/// Reading of both clocks: the wall clock, which people and time servers set, and the monotonic one.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    /// Time of the wall clock.
    pub now: Timestamp,
    /// Time of the monotonic clock.
    pub running: Instant,
}

impl Clocks {
    /// Reads both clocks.
    pub fn read() -> Self {
        Self { now: Timestamp::now(), running: Instant::now() }
    }

    /// Returns true if the clock was set since an earlier reading.
    fn was_set_since(&self, earlier: &Self) -> bool {
        let ran = SignedDuration::try_from(self.running.duration_since(earlier.running)).unwrap_or(SignedDuration::MAX);
        let seemed = self.now.duration_since(earlier.now);
        seemed.saturating_sub(ran).abs() > SET_BY
    }
}

/// Time of the next check.
#[derive(Debug, Default)]
pub struct CheckSchedule {
    last: Option<(Clocks, Duration)>,
}

impl CheckSchedule {
    /// Returns true if a check is due.
    pub fn is_now(&self, clocks: &Clocks) -> bool {
        self.last.as_ref().is_none_or(|(last, interval)| {
            clocks.running.duration_since(last.running) >= *interval || clocks.was_set_since(last)
        })
    }

    /// Records a check, and the success of its work.
    pub fn record_check(&mut self, clocks: Clocks, succeeded: bool) {
        self.last = Some((clocks, if succeeded { INTERVAL } else { INTERVAL_AFTER_FAILURE }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_clock_decide_certificate_checks() {
        let begin = Clocks { now: "2026-11-21T08:00:00Z".parse().unwrap(), running: Instant::now() };
        // (seconds that passed, seconds by which the clock was set, last check succeeded, due)
        let cases = [
            (1, 0, true, false),
            (3599, 0, true, false),
            (3600, 0, true, true),
            (59, 0, false, false),
            (60, 0, false, true),
            (5, 30, true, false),
            (5, 61, true, true),
            (5, -61, true, true),
            (5, 315_000_000, true, true),
            (5, -315_000_000, true, true),
        ];
        for (passed, set, succeeded, expected) in cases {
            let mut due = CheckSchedule::default();
            assert!(due.is_now(&begin), "the first look is due at once");
            due.record_check(begin, succeeded);
            let later = Clocks {
                now: begin.now + SignedDuration::from_secs(passed + set),
                running: begin.running + Duration::from_secs(passed.unsigned_abs()),
            };
            assert_eq!(due.is_now(&later), expected, "{passed} s later, set by {set} s, {succeeded}");
        }
    }
}
