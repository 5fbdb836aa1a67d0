//! Tests of sites whose first clock is wrong, and of the effect on their licenses, with every later reboot, jump,
//! correction, release and license.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::KeyKind;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::{Circumstances, License, Standing, sample, shortfalls};

/// Seconds between the looks of a site's agent: longer than in reality, so that the tests simulate many days quickly.
const LOOK: i64 = 12 * HOUR;
/// Days between two licenses of the vendor.
const LICENSE_DAYS: i64 = 30;
/// Days for which each license applies, and days of its grace.
const TERM_DAYS: i64 = 100;
const GRACE_DAYS: u64 = 10;
/// Days from the first license to the first look of the last site.
const DELIVERY_DAYS: i64 = 400;

/// The behavior of a wall clock.
#[derive(Debug, Clone, Copy, PartialEq)]
enum WallClock {
    /// It runs, but is wrong by this many seconds.
    Off(i64),
    /// It always shows this time.
    Frozen(Timestamp),
    /// Its battery is empty: each boot begins in 1970.
    Dead,
}

/// The vendor's licenses, one a month. Every third one begins to apply twenty days after its issue.
static LICENSES: LazyLock<Vec<License>> = LazyLock::new(|| {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let license = |number: i64| {
        let issued = first_issue() + seconds(number * LICENSE_DAYS * DAY_SECONDS);
        let mut terms = sample::terms(&format!("acme-{number}"), issued).unwrap();
        terms.not_before = issued + seconds(if number % 3 == 2 { 20 * DAY_SECONDS } else { 0 });
        (terms.ends, terms.grace_days) = (Some(issued + seconds(TERM_DAYS * DAY_SECONDS)), GRACE_DAYS);
        sample::seal_license(&vendor, &terms, None).unwrap().verify(&vendor.anchor()).unwrap()
    };
    (0..40).map(license).collect()
});

fn first_issue() -> Timestamp {
    at("2026-11-22T10:00:00Z")
}

/// Event counts of all sites of a test, so that no test passes because nothing happened.
#[derive(Debug, Default)]
struct EventCounts {
    /// Looks at which a license that is actually valid was not accepted, because a first clock or a user had entered a
    /// future date.
    locked_by_a_believed_date: u32,
    /// Looks at which a license that has actually ended was still accepted, because the site was off or its clock
    /// showed no date.
    outlasted_the_calendar: u32,
    /// Looks at which a license had ended.
    ended: u32,
}

/// A site with its trusted time, and the actual circumstances.
struct Site {
    random: StdRng,
    /// Seconds since the first license was issued.
    truth: i64,
    /// The time that has certainly passed, as the site can know it, in the same unit: the newest signed time plus all
    /// looks since.
    floor: i64,
    /// Seconds by which the site was given a future date, by its first clock or by a user's mistake.
    believed: i64,
    /// Number of boots since then.
    boots_since: i64,
    clock: WallClock,
    boot: i64,
    uptime: i64,
    time: TrustedTime,
    license: &'static License,
}

impl Site {
    /// Creates a site that gets its first license under a wrong clock of this kind, days or months after the license
    /// was issued.
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let truth = random.random_range(0..DELIVERY_DAYS * DAY_SECONDS);
        let license = newest(truth);
        let signed = license.terms().issued;
        let uptime = random.random_range(0..HOUR);
        let mut site = Self {
            random,
            truth,
            floor: signed.duration_since(first_issue()).as_secs(),
            believed: 0,
            boots_since: 0,
            clock: WallClock::Off(0),
            boot: 0,
            uptime,
            time: TrustedTime::begin(signed, &clocks(first_issue(), 0)),
            license,
        };
        site.clock = site.wrong_clock(seed);
        let (wall, boot) = (site.wall(), site.boot.to_string());
        site.time = TrustedTime::begin(signed, &site.clocks(wall, &boot));
        if wall >= signed && wall.duration_since(signed) <= seconds(5 * YEAR) {
            site.believed = wall.duration_since(site.now_in_truth()).as_secs().max(0);
        }
        site
    }

    /// Returns a wrong clock: 1970, 2038, ten years off, dead, frozen, or a plausible but wrong date.
    fn wrong_clock(&mut self, kind: u64) -> WallClock {
        let frozen = [Timestamp::UNIX_EPOCH, at("2038-01-19T03:14:07Z"), self.now_in_truth()];
        let truth = self.now_in_truth().as_second();
        match kind % 9 {
            0 => WallClock::Off(-truth),
            1 => WallClock::Off(i64::from(i32::MAX) - truth),
            2 => WallClock::Off(10 * YEAR),
            3 => WallClock::Off(-10 * YEAR),
            4 => WallClock::Dead,
            5 => WallClock::Frozen(frozen[self.random.random_range(0..3)]),
            6 => WallClock::Off(self.random.random_range(-60 * DAY_SECONDS..0)),
            7 => WallClock::Off(self.random.random_range(0..4 * YEAR)),
            _ => WallClock::Off(self.random.random_range(-DAY_SECONDS..DAY_SECONDS)),
        }
    }

    fn now_in_truth(&self) -> Timestamp {
        first_issue() + seconds(self.truth)
    }

    fn wall(&self) -> Timestamp {
        match self.clock {
            WallClock::Off(wrong) => self.now_in_truth() + seconds(wrong),
            WallClock::Frozen(at) => at,
            WallClock::Dead => Timestamp::UNIX_EPOCH + seconds(self.uptime),
        }
    }

    fn clocks<'a>(&self, wall: Timestamp, boot: &'a str) -> Clocks<'a> {
        Clocks { wall, boot, uptime: Duration::from_secs(self.uptime.unsigned_abs()) }
    }

    /// Latest time that trusted time may be.
    fn most(&self) -> Timestamp {
        self.now_in_truth() + seconds(self.believed + (self.boots_since + 1) * DAY_SECONDS)
    }

    fn standing(&self, now: Timestamp) -> Standing {
        let superseded = BTreeSet::new();
        self.license.standing(&Circumstances { now, identifiers: None, revocation: None, superseded: &superseded })
    }

    /// Lets time pass, after which the agent looks.
    fn run(&mut self, count: i64, seen: &mut EventCounts) {
        (self.truth, self.uptime, self.floor) = (self.truth + count, self.uptime + count, self.floor + count);
        let before = (self.time.now(), self.time.least());
        let (wall, boot) = (self.wall(), self.boot.to_string());
        self.time.observe(&self.clocks(wall, &boot));
        assert!(self.time.now() >= before.0 && self.time.least() >= before.1, "no clock sets trusted time back");
        self.judge(seen);
    }

    fn judge(&self, seen: &mut EventCounts) {
        let (now, least, truth) = (self.time.now(), self.time.least(), self.now_in_truth());
        assert!(least == first_issue() + seconds(self.floor) && least <= now, "all that ran is counted");
        assert!(least <= truth, "the certain time has passed, or nobody could confirm the right date");
        assert!(now <= self.most(), "{now} is later than {}", self.most());
        let (found, right) = (self.standing(now), self.standing(truth));
        assert!(shortfalls(&[], truth, Some((self.license, &found))).is_empty(), "what needs no license goes on");
        let end = self.license.terms().grace_ends().unwrap();
        assert!(!found.permits() || least < end, "a day is gained: {found:?} at {truth}");
        assert!(found != Standing::Ended || self.most() >= end, "a false lock: {found:?} at {truth}");
        // If the date is wrong, a correct clock reveals it, and `confirm` corrects it.
        let differs = now.duration_since(truth).abs() > DAY;
        assert_eq!(self.time.agreement(truth) != Agreement::Agree, differs, "a right clock shows a wrong date");
        assert!(found.permits() == right.permits() || differs || self.is_near_a_limit(), "{found:?} and {right:?}");
        seen.ended += u32::from(found == Standing::Ended);
        seen.locked_by_a_believed_date += u32::from(!found.permits() && right.permits() && now > truth);
        seen.outlasted_the_calendar += u32::from(found.permits() && !right.permits() && now < truth);
    }

    /// Returns true if the license begins or ends within a day.
    fn is_near_a_limit(&self) -> bool {
        let terms = self.license.terms();
        let limits = [Some(terms.not_before), terms.grace_ends()];
        limits.into_iter().flatten().any(|limit| limit.duration_since(self.now_in_truth()).abs() <= DAY)
    }

    /// The power fails for some time, after some seconds that no look has seen.
    fn reboot(&mut self, off: i64, seen: &mut EventCounts) {
        self.truth += self.random.random_range(0..LOOK) + off;
        (self.boot, self.uptime, self.boots_since) = (self.boot + 1, 0, self.boots_since + 1);
        let begun = self.random.random_range(0..60);
        self.run(begun, seen);
    }

    /// The site learns a signed time, from an earlier release or license.
    fn learn(&mut self, signed: i64) {
        self.floor = self.floor.max(signed);
        self.time.learn(first_issue() + seconds(signed));
    }

    /// A user confirms the date that the clock shows, right or wrong.
    fn confirm(&mut self) {
        let (wall, boot) = (self.wall(), self.boot.to_string());
        let confirmed = self.time.confirm(&self.clocks(wall, &boot));
        let is_right = self.clock == WallClock::Off(0);
        assert!(confirmed.is_ok() || !is_right, "a right clock is never refused: {confirmed:?}");
        if confirmed.is_ok() {
            self.believed = self.time.now().duration_since(self.now_in_truth()).as_secs().max(0);
            self.boots_since = 0;
        }
    }

    fn event(&mut self, seen: &mut EventCounts) {
        match self.random.random_range(0..10) {
            0..3 => {
                let kind = self.random.random_range(0..9);
                self.clock = self.wrong_clock(kind);
            }
            3 => self.clock = WallClock::Off(0),
            4 => {
                let off = self.random.random_range(0..40 * DAY_SECONDS);
                self.reboot(off, seen);
            }
            5 => (0..10).for_each(|_| self.reboot(60, seen)),
            6 => {
                let built = self.random.random_range(0..=self.truth);
                self.learn(built);
            }
            7 => {
                self.license = newest(self.truth);
                self.learn(self.license.terms().issued.duration_since(first_issue()).as_secs());
            }
            8 => self.confirm(),
            _ => {}
        }
        for _ in 0..self.random.random_range(1..16) {
            self.run(LOOK, seen);
        }
    }
}

/// Returns the newest license that the vendor had issued by then.
fn newest(truth: i64) -> &'static License {
    let number = usize::try_from(truth / (LICENSE_DAYS * DAY_SECONDS)).unwrap();
    LICENSES.get(number).or(LICENSES.last()).unwrap()
}

/// Simulates 10,000 sites, each with a wrong first clock: 1970, 2038, ten years off, dead at each boot, frozen, or a
/// plausible date. Later the clock jumps, is corrected or not, and a user confirms it or not.
///
/// No day gained: no license is valid once its end is certain by signed times and running time. No false lock: a
/// license ends early only because the first clock or a user named a date within five years. In addition, each boot may
/// cost a day. In that case, a correct clock reveals it, and one confirmation corrects it. No outage: releases that
/// need no license are never questioned.
#[test]
fn first_clock_neither_extends_nor_locks_license() {
    let mut seen = EventCounts::default();
    for seed in 0..10_000 {
        let mut site = Site::new(seed);
        for _ in 0..8 {
            site.event(&mut seen);
        }
        site.clock = WallClock::Off(0);
        site.confirm();
        assert_eq!(site.time.now(), site.now_in_truth(), "seed {seed}: the right date counts at once");
        assert_eq!(site.standing(site.time.now()), site.standing(site.now_in_truth()), "seed {seed}");
    }
    let EventCounts { locked_by_a_believed_date, outlasted_the_calendar, ended } = seen;
    assert!(locked_by_a_believed_date > 1000 && outlasted_the_calendar > 1000 && ended > 1000, "{seen:?}");
}

/// Only a first clock within five years after the newest signed time is accepted.
#[test]
fn implausible_first_clock_is_not_believed() {
    let signed = first_issue();
    let of = |wall: Timestamp| TrustedTime::begin(signed, &clocks(wall, 0)).now();
    for wrong in ["1970-01-01T00:00:00Z", "2038-01-19T03:14:07Z", "2036-11-22T10:00:00Z", "2016-11-22T10:00:00Z"] {
        assert_eq!(of(at(wrong)), signed, "{wrong}");
    }
    assert_eq!(of(at("2031-11-01T00:00:00Z")), at("2031-11-01T00:00:00Z"));
}
