//! The age of a kept answer. Running time is summed over boots and stored, as for trusted time: stored time has
//! certainly passed, whatever clocks say later.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::trusted_time::Clocks;

/// Maximum number of seconds that a boot may add to the time that the machine has run since.
const DAY: u64 = 24 * 60 * 60;

/// Seconds of running time that a power failure may lose; less is not stored. A sidecar looks every five minutes.
const UNSTORED: u64 = 4 * 60;

/// How often the program that keeps an answer looks at its age. This determines what is known about the time between
/// the last look of one boot and the first look of the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Watch {
    /// Repeatedly, for as long as the machine runs, as a sidecar does. Hardly any running time is lost.
    #[default]
    Steady,
    /// Once, when software starts, as an init container does. The time that the machine runs afterwards is not known.
    Once,
}

impl Watch {
    /// Returns true for the default, which applies to files of earlier versions.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) const fn is_steady(&self) -> bool {
        matches!(self, Self::Steady)
    }
}

/// The clocks of a machine at the time when an answer arrived, or when its age was last examined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    wall: Timestamp,
    boot: String,
    uptime_seconds: u64,
}

impl Receipt {
    /// The clocks of the present moment.
    pub fn now(clocks: &Clocks<'_>) -> Self {
        Self { wall: clocks.wall, boot: clocks.boot.to_owned(), uptime_seconds: clocks.uptime.as_secs() }
    }

    /// Returns true if the machine has not rebooted since.
    pub(super) fn is_of_this_boot(&self, clocks: &Clocks<'_>) -> bool {
        self.boot == clocks.boot
    }

    /// Seconds since then. Within a boot, it is the machine's running time. After another boot, it is the time since
    /// that boot. The wall clock may add the time that the machine was off, up to a day. So setting a clock ahead ends
    /// no grace. With [`Watch::Once`], it is a day if the clock names no time within that day. An answer must not last
    /// for years because its machine reboots once a week. If the kernel does not name its boot, only the wall clock
    /// remains.
    fn seconds_until(&self, clocks: &Clocks<'_>, watch: Watch) -> u64 {
        let by_wall = u64::try_from(clocks.wall.duration_since(self.wall).as_secs()).unwrap_or(0);
        let uptime = clocks.uptime.as_secs();
        if clocks.boot.is_empty() {
            return by_wall;
        }
        if self.is_of_this_boot(clocks) {
            return uptime.saturating_sub(self.uptime_seconds);
        }
        // The disk may have been moved to a machine that has run for a year.
        let ran = uptime.min(DAY);
        match watch {
            _ if (ran..=DAY).contains(&by_wall) => by_wall,
            Watch::Steady => ran,
            Watch::Once => DAY,
        }
    }
}

/// The age of an answer at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Look {
    age_seconds: u64,
    at: Receipt,
}

impl Look {
    /// The look at the moment when the answer arrived.
    pub(super) const fn first(received: Receipt) -> Self {
        Self { age_seconds: 0, at: received }
    }

    /// Current age in seconds, given that this watch has been in use.
    pub(super) fn age_seconds(&self, clocks: &Clocks<'_>, watch: Watch) -> u64 {
        self.age_seconds.saturating_add(self.at.seconds_until(clocks, watch))
    }

    /// Returns true if more time has passed than may be lost, so that it must be stored.
    pub(super) fn is_over(&self, clocks: &Clocks<'_>, watch: Watch) -> bool {
        !self.at.is_of_this_boot(clocks) || self.at.seconds_until(clocks, watch) >= UNSTORED
    }

    /// The next look, or `None` if the kernel does not name its boot: wall clocks jump forward and back, so they are
    /// never added up.
    pub(super) fn next(&self, clocks: &Clocks<'_>, watch: Watch) -> Option<Self> {
        let next = || Self { age_seconds: self.age_seconds(clocks, watch), at: Receipt::now(clocks) };
        (!clocks.boot.is_empty()).then(next)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;
    use crate::answer::GRACE;

    /// Seconds between two looks of a sidecar.
    const LOOK: u64 = 300;

    /// The behavior of a wall clock.
    #[derive(Debug, Clone, Copy)]
    enum WallClock {
        /// It runs, but is wrong by this many seconds.
        Off(i64),
        /// Its battery is empty: each boot begins in 1970.
        Dead,
    }

    /// A machine whose site has been silent since the answer, and the state that it stores.
    struct Machine {
        random: StdRng,
        /// Seconds that have actually passed since the answer.
        passed: u64,
        /// Of these, the seconds for which the machine ran.
        ran: u64,
        clock: WallClock,
        boots: u64,
        uptime: u64,
        stored: Look,
    }

    fn begin() -> Timestamp {
        "2026-11-22T10:00:00Z".parse().unwrap()
    }

    fn seconds(count: u64) -> SignedDuration {
        SignedDuration::from_secs(i64::try_from(count).unwrap())
    }

    impl Machine {
        fn new(seed: u64, clock: WallClock) -> Self {
            let first = Look::first(Receipt { wall: begin(), boot: "0".to_owned(), uptime_seconds: 0 });
            let random = StdRng::seed_from_u64(seed);
            let mut machine = Self { random, passed: 0, ran: 0, clock, boots: 0, uptime: 0, stored: first };
            machine.stored.at.wall = machine.wall();
            machine
        }

        fn wall(&self) -> Timestamp {
            match self.clock {
                WallClock::Off(wrong) => begin() + seconds(self.passed) + SignedDuration::from_secs(wrong),
                WallClock::Dead => Timestamp::UNIX_EPOCH + seconds(self.uptime),
            }
        }

        /// Looks, stores the answer if needed, and checks the age. The only time gained is what reboots cut off, and
        /// each boot loses at most a day.
        fn look(&mut self) {
            let boot = self.boots.to_string();
            let clocks = Clocks { wall: self.wall(), boot: &boot, uptime: Duration::from_secs(self.uptime) };
            let (before, age) = (self.stored.age_seconds, self.stored.age_seconds(&clocks, Watch::Steady));
            if self.stored.is_over(&clocks, Watch::Steady) {
                self.stored = self.stored.next(&clocks, Watch::Steady).unwrap();
            }
            assert!(age >= before, "no clock setting makes an answer younger: {:?}", self.clock);
            let (least, most) = (self.ran - self.boots * LOOK, self.passed + self.boots * DAY);
            assert!((least..=most).contains(&age), "{age} is not between {least} and {most}: {:?}", self.clock);
        }

        fn run(&mut self, seconds: u64) {
            (self.passed, self.ran, self.uptime) = (self.passed + seconds, self.ran + seconds, self.uptime + seconds);
        }

        /// The power fails for some time, right before a look was due.
        fn reboot(&mut self, off: u64) {
            let unseen = self.random.random_range(0..LOOK);
            self.run(unseen);
            (self.passed, self.boots, self.uptime) = (self.passed + off, self.boots + 1, 0);
        }

        /// The clock jumps by decades or hours, is corrected, or dies.
        fn jump(&mut self) {
            let (day, decades) = (i64::try_from(DAY).unwrap(), 700_000_000);
            self.clock = match self.random.random_range(0..6) {
                0 => WallClock::Off(decades),
                1 => WallClock::Off(-decades),
                2 => WallClock::Off(self.random.random_range(-day..day)),
                3 => WallClock::Off(self.random.random_range(-10 * day..10 * day)),
                4 => WallClock::Dead,
                _ => WallClock::Off(0),
            };
        }
    }

    /// Makes 10,000 jumps, with 2,000 reboots between them.
    #[test]
    fn clocks_never_change_the_grace() {
        let mut boots = 0;
        for seed in 0..250 {
            let mut machine = Machine::new(seed, WallClock::Off(0));
            for _ in 0..40 {
                machine.jump();
                for _ in 0..machine.random.random_range(1..100) {
                    machine.run(LOOK);
                    machine.look();
                }
                if machine.random.random_range(0..5) == 0 {
                    let off = machine.random.random_range(0..3 * DAY);
                    machine.reboot(off);
                    machine.jump();
                    machine.look();
                }
            }
            boots += machine.boots;
        }
        assert!(boots > 1500, "only {boots} reboots");
    }

    /// The clock is dead, or set back at each boot. The grace ends according to the machine's running time.
    #[test]
    fn grace_ends_despite_stuck_clock() {
        for clock in [WallClock::Dead, WallClock::Off(-1_000_000)] {
            let mut machine = Machine::new(7, clock);
            while machine.stored.age_seconds < GRACE.as_secs().unsigned_abs() {
                for _ in 0..6 * 12 {
                    machine.run(LOOK);
                    machine.look();
                }
                machine.reboot(0);
                if let WallClock::Off(wrong) = &mut machine.clock {
                    *wrong -= 10_000_000;
                }
                machine.look();
            }
            let least = GRACE.as_secs().unsigned_abs();
            let lost = machine.ran.saturating_sub(least);
            assert!(machine.boots >= 27 && lost < machine.boots * LOOK + 7 * 3600, "{clock:?}: {lost}");
        }
    }

    #[test]
    fn only_plausible_pauses_count() {
        let look = Look::first(Receipt { wall: begin(), boot: "a".to_owned(), uptime_seconds: 500 });
        let aged = |watch: Watch, boot: &str, uptime: u64, wall: i64| {
            let wall = begin() + SignedDuration::from_secs(wall);
            look.age_seconds(&Clocks { wall, boot, uptime: Duration::from_secs(uptime) }, watch)
        };
        let age = |boot: &str, uptime: u64, wall: i64| aged(Watch::Steady, boot, uptime, wall);
        let once = |boot: &str, uptime: u64, wall: i64| aged(Watch::Once, boot, uptime, wall);
        assert_eq!([age("a", 800, 0), age("a", 800, 1_000_000), age("a", 400, -5)], [300, 300, 0], "a boot");
        assert_eq!([age("b", 60, 36_000), age("b", 60, 1_000_000), age("b", 60, -5)], [36_000, 60, 60], "another one");
        assert_eq!([once("a", 800, -5), once("b", 60, 36_000)], [300, 36_000], "what clocks say is believed");
        assert_eq!([once("b", 60, 1_000_000), once("b", 60, -5)], [DAY, DAY], "how long it ran is unknown");
        assert_eq!(age("b", 400 * DAY, -5), DAY, "a machine that has run for a year");
        assert_eq!([age("", 0, 1_000_000), age("", 0, -5)], [1_000_000, 0], "without a kernel's word");
        let unnamed = Clocks { wall: begin(), boot: "", uptime: Duration::ZERO };
        assert_eq!(look.next(&unnamed, Watch::Steady), None, "wall clocks are not added up");
    }
}
