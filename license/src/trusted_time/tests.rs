use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

const HOUR: i64 = 3600;
const DAY_SECONDS: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY_SECONDS;

/// How often the agent of a site looks, in seconds.
const LOOK: i64 = HOUR;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

fn clocks(wall: Timestamp, uptime: u64) -> Clocks<'static> {
    Clocks { wall, boot: "a", uptime: Duration::from_secs(uptime) }
}

#[test]
fn a_right_clock_is_followed_and_a_wrong_one_is_reported() {
    let begin = at("2026-11-22T10:00:00Z");
    let mut time = TrustedTime::begin(begin, &clocks(begin + seconds(40 * DAY_SECONDS), 100));
    assert_eq!(time.now(), at("2027-01-01T10:00:00Z"), "the first clock counts");
    // A night without power, and the same clock.
    let night = Clocks { wall: time.now() + seconds(10 * HOUR), boot: "b", uptime: Duration::from_mins(1) };
    time.observe(&night);
    assert_eq!((time.now(), time.agreement(night.wall)), (night.wall, Agreement::Agree));
    // A month without power: nothing moves by itself.
    let month = Clocks { wall: night.wall + seconds(30 * DAY_SECONDS), boot: "c", uptime: Duration::from_mins(1) };
    time.observe(&month);
    assert!(matches!(time.agreement(month.wall), Agreement::Ahead(by) if by > seconds(29 * DAY_SECONDS)));
    let confirmed = time.confirm(&month).unwrap();
    assert_eq!((confirmed.after, time.now()), (month.wall, month.wall));
    // A dead clock.
    let dead = Clocks { wall: at("1970-01-01T00:00:00Z"), boot: "d", uptime: Duration::from_mins(1) };
    time.observe(&dead);
    assert_eq!(time.now(), month.wall + seconds(60));
    assert!(matches!(time.agreement(dead.wall), Agreement::Behind(_)));
    assert!(matches!(time.confirm(&dead), Err(Unconfirmable::Behind { .. })));
    assert!(matches!(
        time.confirm(&Clocks { wall: at("2038-01-19T03:14:07Z"), ..dead }),
        Err(Unconfirmable::Ahead { .. })
    ));
}

#[test]
fn a_date_that_was_confirmed_by_mistake_is_confirmed_again() {
    let begin = at("2026-11-22T10:00:00Z");
    let mut time = TrustedTime::begin(begin, &clocks(begin, 0));
    time.confirm(&clocks(begin + seconds(3 * YEAR), 0)).unwrap();
    assert_eq!(time.now(), begin + seconds(3 * YEAR));
    time.confirm(&clocks(begin + seconds(HOUR), 3600)).unwrap();
    assert_eq!(time.now(), begin + seconds(HOUR));
    assert_eq!(time.confirmations().len(), 2, "both are kept");
}

#[test]
fn signed_times_are_a_floor_and_the_newer_copy_counts() {
    let begin = at("2026-11-22T10:00:00Z");
    let mut time = TrustedTime::begin(begin, &clocks(at("1970-01-01T00:00:00Z"), 0));
    assert_eq!(time.now(), begin);
    let before = time.clone();
    time.learn(begin + seconds(YEAR));
    time.learn(begin);
    assert_eq!((time.now(), time.least()), (begin + seconds(YEAR), begin + seconds(YEAR)));
    assert_eq!(before.clone().merged(time.clone()), time);
    assert_eq!(time.clone().merged(before), time);
    // A disk comes to a machine that has run for a year.
    time.observe(&Clocks { wall: begin, boot: "other", uptime: Duration::from_hours(365 * 24) });
    assert_eq!(time.now(), begin + seconds(YEAR + DAY_SECONDS));
    let text = serde_json::to_string(&time).unwrap();
    assert_eq!(serde_json::from_str::<TrustedTime>(&text).unwrap(), time);
}

#[test]
fn clocks_that_were_read_before_the_last_look_add_nothing() {
    let begin = at("2026-11-22T10:00:00Z");
    let mut time = TrustedTime::begin(begin, &clocks(begin, 5000));
    // The clock uses the day of this boot, and then is dead.
    time.observe(&clocks(begin + seconds(DAY_SECONDS), 5000));
    let leapt = time.now();
    for uptime in [4990, 5000, 4990, 5000] {
        time.observe(&clocks(leapt + seconds(DAY_SECONDS), uptime));
        assert_eq!((time.now(), time.least()), (leapt, begin), "no running time, and no second day");
    }
    time.observe(&Clocks { wall: begin, boot: "", uptime: Duration::from_mins(150) });
    time.observe(&clocks(begin, 5060));
    assert_eq!(time.least(), begin + seconds(60), "a boot without a name is not another boot");
}

/// A machine with a clock that goes wrong.
struct Machine {
    random: StdRng,
    begin: Timestamp,
    /// Seconds that have truly passed.
    passed: i64,
    /// Of them, seconds that the machine has run.
    ran: i64,
    /// By how much the clock is wrong, in seconds.
    wrong: i64,
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
        Self { random, begin, passed: 0, ran: 0, wrong: 0, boots: 0, uptime: 0, time }
    }

    fn wall(&self) -> Timestamp {
        self.begin.checked_add(seconds(self.passed + self.wrong)).unwrap_or(Timestamp::MAX)
    }

    fn look(&mut self, confirm: bool) {
        let boot = self.boots.to_string();
        let clocks = Clocks { wall: self.wall(), boot: &boot, uptime: Duration::from_secs(self.uptime.unsigned_abs()) };
        if confirm {
            self.time.confirm(&clocks).expect("a right clock can be confirmed");
        } else {
            self.time.observe(&clocks);
        }
    }

    /// The clock jumps: to 1970, to 2038, by ten years, by hours, or becomes right.
    fn jump(&mut self) {
        let truth = (self.begin + seconds(self.passed)).as_second();
        self.wrong = match self.random.random_range(0..6) {
            0 => -truth,
            1 => i64::from(i32::MAX) - truth,
            2 => 10 * YEAR,
            3 => -10 * YEAR,
            4 => self.random.random_range(-DAY_SECONDS..DAY_SECONDS),
            _ => 0,
        };
    }

    /// Hours of running, and at times a reboot, with some time without power, right before a look was due.
    fn live(&mut self) {
        for _ in 0..self.random.random_range(1..36) {
            (self.passed, self.ran, self.uptime) = (self.passed + LOOK, self.ran + LOOK, self.uptime + LOOK);
            self.look(false);
        }
        if self.boots < 10 && self.random.random_range(0..4) == 0 {
            let unseen = self.random.random_range(0..LOOK);
            let off = self.random.random_range(0..3 * DAY_SECONDS);
            (self.passed, self.ran) = (self.passed + unseen + off, self.ran + unseen);
            (self.boots, self.uptime) = (self.boots + 1, 0);
            self.look(false);
        }
    }
}

/// 10,000 jumps: 250 machines with 40 jumps and up to ten reboots each.
#[test]
fn no_clock_wins_a_day_or_locks_a_site() {
    for seed in 0..250 {
        let mut machine = Machine::new(seed);
        for jump in 0..40 {
            machine.jump();
            machine.live();
            let (now, truth) = (machine.time.now(), machine.begin + seconds(machine.passed));
            // No day is won: all running time counts, but what a reboot cut off before the next look.
            let least = machine.begin + seconds(machine.ran - machine.boots * LOOK);
            assert!(now >= least && machine.time.least() >= least, "seed {seed}, jump {jump}: {now} before {least}");
            // No false lock: each boot moves trusted time ahead by a day at most.
            let most = truth + seconds((machine.boots + 1) * DAY_SECONDS);
            assert!(now <= most, "seed {seed}, jump {jump}: {now} after {most}");
            assert!(machine.time.least() <= truth, "seed {seed}: what is certain has passed");
        }
        // The clock is set right, and a person confirms it: everything is right again.
        machine.wrong = 0;
        machine.look(true);
        assert_eq!(machine.time.now(), machine.begin + seconds(machine.passed), "seed {seed}");
    }
}
