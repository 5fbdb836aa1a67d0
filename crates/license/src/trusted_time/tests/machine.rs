//! Tests of machines whose clocks fail in every way, and of the site's license.

use std::collections::BTreeSet;

use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::KeyKind;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::{Circumstances, License, Need, sample, shortfalls};

/// Seconds between two looks of a site's agent.
const LOOK: i64 = HOUR;
/// Days from the first look to the end of the license, and days of its grace.
const TERM_DAYS: i64 = 15;
const GRACE_DAYS: u64 = 10;

/// The behavior of a wall clock.
#[derive(Debug, Clone, Copy)]
enum WallClock {
    /// It runs, but is wrong by this many seconds.
    Off(i64),
    /// It always shows this time.
    Frozen(Timestamp),
    /// Its battery is empty: each boot begins in 1970.
    Dead,
}

/// A machine with its site's trusted time.
struct Machine {
    random: StdRng,
    begin: Timestamp,
    /// Seconds that have actually passed.
    passed: i64,
    /// Of these, the seconds for which the machine ran.
    ran: i64,
    clock: WallClock,
    boots: i64,
    uptime: i64,
    time: TrustedTime,
}

impl Machine {
    fn new(seed: u64) -> Self {
        let begin = at("2026-11-22T10:00:00Z");
        let first = Clocks { wall: begin, boot: "0", uptime: Duration::ZERO };
        let time = TrustedTime::begin(begin, &first);
        let random = StdRng::seed_from_u64(seed);
        Self { random, begin, passed: 0, ran: 0, clock: WallClock::Off(0), boots: 0, uptime: 0, time }
    }

    fn truth(&self) -> Timestamp {
        self.begin + seconds(self.passed)
    }

    fn wall(&self) -> Timestamp {
        match self.clock {
            WallClock::Off(wrong) => self.truth().checked_add(seconds(wrong)).unwrap_or(Timestamp::MAX),
            WallClock::Frozen(at) => at,
            WallClock::Dead => Timestamp::UNIX_EPOCH + seconds(self.uptime),
        }
    }

    /// Time that has certainly run: everything except what reboots cut off before the next look.
    fn least(&self) -> Timestamp {
        self.begin + seconds(self.ran - self.boots * LOOK)
    }

    /// Latest time that trusted time may be: each boot moves it ahead by at most a day.
    fn most(&self) -> Timestamp {
        self.truth() + seconds((self.boots + 1) * DAY_SECONDS)
    }

    fn look(&mut self, license: &License) {
        let before = (self.time.now(), self.time.least());
        let boot = self.boots.to_string();
        let clocks = Clocks { wall: self.wall(), boot: &boot, uptime: Duration::from_secs(self.uptime.unsigned_abs()) };
        self.time.observe(&clocks);
        let (now, certain) = (self.time.now(), self.time.least());
        assert!(now >= before.0 && certain >= before.1, "no clock sets trusted time back: {:?}", self.clock);
        assert!(now >= self.least() && certain >= self.least(), "a day is gained: {now} before {}", self.least());
        assert!(now <= self.most() && certain <= self.truth(), "{now} after {}, or {certain}", self.most());
        self.judge(license);
    }

    /// Judges the site's current license: no false lock, no day gained, and no outage.
    fn judge(&self, license: &License) {
        let nothing = BTreeSet::new();
        let circumstances =
            Circumstances { now: self.time.now(), identifiers: None, revocation: None, superseded: &nothing };
        let standing = license.standing(&circumstances);
        let end = license.terms().grace_ends().unwrap();
        assert!(standing.permits() || self.most() >= end, "a false lock at {}: {standing:?}", self.truth());
        assert!(!standing.permits() || self.least() < end, "a day is gained at {}: {standing:?}", self.truth());
        let asked = |needs: &[Need<'_>]| shortfalls(needs, self.begin, Some((license, &standing)));
        assert!(asked(&[]).is_empty(), "what needs no license is never asked for one");
        let analytics = Need { component: "reports", entitlement: "analytics" };
        assert_eq!(asked(&[analytics]).is_empty(), standing.permits(), "{standing:?}");
    }

    /// A user corrects the clock and confirms it.
    fn repair(&mut self) {
        self.clock = WallClock::Off(0);
        let boot = self.boots.to_string();
        let clocks = Clocks { wall: self.wall(), boot: &boot, uptime: Duration::from_secs(self.uptime.unsigned_abs()) };
        self.time.confirm(&clocks).expect("a right clock can be confirmed");
    }

    /// The clock jumps to 1970, to 2038, by ten years or by hours, is corrected, stops, or dies.
    fn jump(&mut self) {
        let truth = self.truth().as_second();
        let wrong = match self.random.random_range(0..6) {
            0 => -truth,
            1 => i64::from(i32::MAX) - truth,
            2 => 10 * YEAR,
            3 => -10 * YEAR,
            4 => self.random.random_range(-DAY_SECONDS..DAY_SECONDS),
            _ => 0,
        };
        self.clock = WallClock::Off(wrong);
        match self.random.random_range(0..4) {
            0 => self.clock = WallClock::Frozen(self.wall()),
            1 => self.clock = WallClock::Dead,
            _ => {}
        }
    }

    /// Simulates hours of running, sometimes followed by a reboot without power for some time, right before a look was
    /// due.
    fn live(&mut self, license: &License) {
        for _ in 0..self.random.random_range(1..36) {
            (self.passed, self.ran, self.uptime) = (self.passed + LOOK, self.ran + LOOK, self.uptime + LOOK);
            self.look(license);
        }
        if self.boots < 10 && self.random.random_range(0..4) == 0 {
            let unseen = self.random.random_range(0..LOOK);
            let off = self.random.random_range(0..3 * DAY_SECONDS);
            (self.passed, self.ran) = (self.passed + unseen + off, self.ran + unseen);
            (self.boots, self.uptime) = (self.boots + 1, 0);
            self.look(license);
        }
    }
}

/// Returns a license that ends during the simulation.
fn license() -> License {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let begin = at("2026-11-22T10:00:00Z");
    let mut terms = sample::terms("acme-1", begin).unwrap();
    (terms.ends, terms.grace_days) = (Some(begin + seconds(TERM_DAYS * DAY_SECONDS)), GRACE_DAYS);
    sample::seal_license(&vendor, &terms, None).unwrap().verify(&vendor.anchor()).unwrap()
}

/// Makes 10,000 jumps: 250 machines with 40 jumps and up to ten reboots each. Every look is judged.
#[test]
fn clocks_neither_extend_nor_lock_license() {
    let license = license();
    let mut outlived = 0;
    for seed in 0..250 {
        let mut machine = Machine::new(seed);
        for _ in 0..40 {
            machine.jump();
            machine.live(&license);
        }
        outlived += usize::from(machine.least() >= license.terms().grace_ends().unwrap());
        machine.repair();
        assert_eq!(machine.time.now(), machine.truth(), "seed {seed}: once the clock is right, everything is");
    }
    assert!(outlived > 100, "only {outlived} machines ran to the end of the license");
}

/// From the first look on, the clock always shows one time, or dies at each boot; only running time counts.
#[test]
fn dead_clock_leaves_running_time() {
    let license = license();
    let begin = at("2026-11-22T10:00:00Z");
    for clock in [WallClock::Dead, WallClock::Frozen(begin), WallClock::Frozen(at("2038-01-19T03:14:07Z"))] {
        let mut machine = Machine::new(7);
        machine.clock = clock;
        for hour in 1..=24 * 60 {
            (machine.passed, machine.ran, machine.uptime) = (hour * HOUR, hour * HOUR, machine.uptime + LOOK);
            if hour % 144 == 0 {
                (machine.boots, machine.uptime) = (machine.boots + 1, 0);
            }
            machine.look(&license);
        }
        let lost = machine.truth().duration_since(machine.time.now());
        assert!(machine.boots == 10 && lost <= seconds(10 * LOOK), "{clock:?}: {lost:?}");
    }
}
