//! Tests of sites whose clocks are wrong from the start, software that asks them, and the answers that it keeps while
//! the sites are silent.

use landfall_bundle_spec::trust::SigningKey;
use rand::RngExt as _;

use super::*;
use crate::TrustedTime;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;
/// Seconds between the looks of the agent and of a sidecar: longer than in reality, so that the tests simulate many
/// days quickly.
const LOOK: i64 = 4 * HOUR;
/// Days for which the license applies, and days of its grace.
const TERM_DAYS: i64 = 40;
const GRACE_DAYS: u64 = 10;

/// Ten thousand sites sign tens of thousands of answers; this kind of key is the fastest.
static FAST: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(KeyKind::Ed25519).unwrap());
static SHORT: LazyLock<License> = LazyLock::new(|| {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let mut terms = sample::terms("acme-1", issue_time()).unwrap();
    (terms.ends, terms.grace_days) = (Some(issue_time() + seconds(TERM_DAYS * DAY)), GRACE_DAYS);
    sample::seal_license(&vendor, &terms, None).unwrap().verify(&vendor.anchor()).unwrap()
});

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

/// An answer that software keeps, and the events since it came.
struct AnswerRecord {
    kept: KeptAnswer,
    is_granted: bool,
    /// Seconds for which the answer applies.
    counts: i64,
    passed: i64,
    ran: i64,
    boots: i64,
}

/// Event counts over all machines of a test, so that no test passes because nothing happened.
#[derive(Debug, Default)]
struct EventCounts {
    granted: u32,
    refused: u32,
    kept: u32,
    ended: u32,
}

/// A machine with a site and its software.
struct Machine {
    random: StdRng,
    watch: Watch,
    clock: WallClock,
    /// Seconds since the license was issued.
    truth: i64,
    boot: i64,
    uptime: i64,
    time: TrustedTime,
    keeping: Option<AnswerRecord>,
}

impl Machine {
    /// Creates a machine whose first clock is wrong.
    fn new(seed: u64, watch: Watch) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let truth = random.random_range(0..20 * DAY);
        let time = TrustedTime::begin(issue_time(), &clocks(issue_time(), "0", 0));
        let mut machine =
            Self { random, watch, clock: WallClock::Off(0), truth, boot: 0, uptime: 0, time, keeping: None };
        machine.clock = machine.wrong_clock(seed);
        let wall = machine.wall();
        machine.time = TrustedTime::begin(issue_time(), &clocks(wall, "0", 0));
        machine
    }

    fn wrong_clock(&mut self, kind: u64) -> WallClock {
        let truth = (issue_time() + seconds(self.truth)).as_second();
        match kind % 8 {
            0 => WallClock::Off(-truth),
            1 => WallClock::Off(i64::from(i32::MAX) - truth),
            2 => WallClock::Off(10 * YEAR),
            3 => WallClock::Off(-10 * YEAR),
            4 => WallClock::Dead,
            5 => WallClock::Frozen(self.wall()),
            6 => WallClock::Off(self.random.random_range(-20 * DAY..60 * DAY)),
            _ => WallClock::Off(self.random.random_range(-DAY..DAY)),
        }
    }

    fn wall(&self) -> Timestamp {
        match self.clock {
            WallClock::Off(wrong) => issue_time() + seconds(self.truth + wrong),
            WallClock::Frozen(at) => at,
            WallClock::Dead => Timestamp::UNIX_EPOCH + seconds(self.uptime),
        }
    }

    /// Calls `act` with the clocks of this moment.
    fn now<T>(&mut self, act: impl FnOnce(&mut Self, &Clocks<'_>) -> T) -> T {
        let (wall, boot, uptime) = (self.wall(), self.boot.to_string(), self.uptime.unsigned_abs());
        act(self, &clocks(wall, &boot, uptime))
    }

    /// Lets time pass; then the agent looks, and so does a sidecar that keeps an answer.
    fn run(&mut self, count: i64) {
        (self.truth, self.uptime) = (self.truth + count, self.uptime + count);
        if let Some(keeping) = &mut self.keeping {
            (keeping.passed, keeping.ran) = (keeping.passed + count, keeping.ran + count);
        }
        self.now(|machine, clocks| {
            machine.time.observe(clocks);
            if let (Some(keeping), Watch::Steady) = (&mut machine.keeping, machine.watch) {
                keeping.kept.look(clocks, Watch::Steady);
            }
        });
    }

    /// The power fails before the next look and returns some time later; software starts and looks.
    fn reboot(&mut self, off: i64) {
        let unseen = self.random.random_range(0..LOOK);
        self.truth += unseen + off;
        (self.boot, self.uptime) = (self.boot + 1, 0);
        if let Some(keeping) = &mut self.keeping {
            keeping.passed += unseen + off;
            (keeping.ran, keeping.boots) = (keeping.ran + unseen, keeping.boots + 1);
        }
        let begun = self.random.random_range(1..60);
        self.run(begun);
        let watch = self.watch;
        self.now(|machine, clocks| {
            machine.keeping.as_mut().map(|keeping| keeping.kept.look(clocks, watch));
        });
    }

    /// The site answers by its trusted time. Software can read the answer, whatever the clock says.
    fn ask(&mut self) {
        let (question, now, watch) = (question("entitlement", "analytics"), self.time.now(), self.watch);
        let superseded = BTreeSet::new();
        let standing =
            SHORT.standing(&Circumstances { now, identifiers: None, revocation: None, superseded: &superseded });
        let answer = Answer::new(&question, Some((&SHORT, &standing)), SITE, now);
        let unsigned = answer.to_unsigned().unwrap();
        let signature = FAST.sign(unsigned.message()).unwrap();
        let sealed = unsigned.seal(FAST.public().id(), signature).unwrap();
        let kept = self.now(|_, clocks| KeptAnswer::new(&sealed, FAST.public(), &question, clocks, watch));
        let kept = kept.expect("an answer of the site is accepted with every clock");
        let counts = answer.grace_until.duration_since(answer.issued).as_secs();
        let is_granted = standing.permits();
        self.keeping = Some(AnswerRecord { kept, is_granted, counts, passed: 0, ran: 0, boots: 0 });
    }

    /// Software asks while the site is silent.
    fn read(&mut self, seen: &mut EventCounts) {
        let subject = question("entitlement", "analytics").subject;
        let report = self.now(|machine, clocks| {
            let keeping = machine.keeping.as_mut()?;
            // The next process reads the stored state.
            keeping.kept = serde_json::from_slice(&serde_json::to_vec(&keeping.kept).unwrap()).unwrap();
            Some(
                keeping
                    .kept
                    .report(FAST.public(), &subject, clocks)
                    .expect("no clock setting makes an answer unreadable"),
            )
        });
        let (Some(report), Some(keeping)) = (report, &self.keeping) else { return };
        let AnswerRecord { is_granted, counts, passed, ran, boots, .. } = keeping;
        let least = if self.watch == Watch::Steady { ran - boots * LOOK } else { 0 };
        let most = passed + boots * DAY;
        let clock = self.clock;
        assert!(report.granted.is_none_or(|granted| granted == *is_granted), "it says what was answered");
        assert!(
            report.granted.is_none() || least < *counts,
            "a day is gained: {ran} of {counts}, {boots} boots, {clock:?}"
        );
        assert!(report.granted.is_some() || most >= *counts, "a false end: {passed} of {counts}, {boots}, {clock:?}");
        let certain = self.time.least() - seconds(boots * LOOK);
        let is_over = certain >= SHORT.terms().grace_ends().unwrap();
        assert!(report.granted != Some(true) || !is_over || self.watch == Watch::Once, "beyond the license: {clock:?}");
        seen.granted += u32::from(report.granted == Some(true));
        seen.refused += u32::from(report.granted == Some(false));
        seen.kept += u32::from(report.state == ReportState::Kept);
        seen.ended += u32::from(report.state == ReportState::Unknown);
    }

    fn event(&mut self, seen: &mut EventCounts) {
        match self.random.random_range(0..9) {
            0 | 1 => {
                let kind = self.random.random_range(0..8);
                self.clock = self.wrong_clock(kind);
            }
            2 => self.clock = WallClock::Off(0),
            3 => {
                let off = self.random.random_range(0..3 * DAY);
                self.reboot(off);
            }
            4 => (0..10).for_each(|_| self.reboot(60)),
            5 => {
                // A user may confirm the clock, whether it is right or not.
                let _refused = self.now(|machine, clocks| machine.time.confirm(clocks).map(drop));
            }
            6 | 7 => self.ask(),
            _ => {}
        }
        for _ in 0..self.random.random_range(1..20) {
            self.run(LOOK);
        }
        self.read(seen);
    }
}

/// Simulates 10,000 sites whose first clock is wrong, half of them with software that has no sidecar.
///
/// No outage: under every clock, an answer is accepted, and a kept one can be read. No day gained: a kept answer
/// applies during its grace by the machine's running time, except for what reboots cut off. It never applies beyond the
/// license. No false lock: it applies until its grace has passed, less at most a day for each boot.
#[test]
fn kept_answer_lasts_exactly_its_grace() {
    let mut seen = EventCounts::default();
    for seed in 0..10_000 {
        let watch = if seed % 2 == 0 { Watch::Steady } else { Watch::Once };
        let mut machine = Machine::new(seed / 2, watch);
        machine.ask();
        (0..5).for_each(|_| machine.event(&mut seen));
    }
    assert!([seen.granted, seen.refused, seen.kept, seen.ended].iter().all(|count| *count > 500), "{seen:?}");
}

/// The software has no sidecar, and its machine reboots every few days while the site is silent. Each boot costs a day
/// unless the clocks show less. In earlier versions, a kept answer lasted for any number of boots.
#[test]
fn kept_answer_lasts_seven_boots() {
    let boots_until_the_end = |clock: WallClock, days: i64| {
        let mut machine = Machine::new(7, Watch::Once);
        (machine.clock, machine.time) = (clock, TrustedTime::begin(issue_time(), &clocks(issue_time(), "0", 0)));
        machine.run(HOUR);
        machine.ask();
        let mut boots = 0;
        let mut seen = EventCounts::default();
        while seen.ended == 0 && boots < 100 {
            (0..days * DAY / LOOK).for_each(|_| machine.run(LOOK));
            machine.reboot(0);
            machine.read(&mut seen);
            boots += 1;
        }
        boots
    };
    for clock in [WallClock::Off(0), WallClock::Dead, WallClock::Frozen(issue_time()), WallClock::Off(10 * YEAR)] {
        assert_eq!(boots_until_the_end(clock, 5), 7, "{clock:?}");
    }
    let mut machine = Machine::new(7, Watch::Once);
    (machine.clock, machine.time) =
        (WallClock::Off(0), TrustedTime::begin(issue_time(), &clocks(issue_time(), "0", 0)));
    machine.ask();
    let mut seen = EventCounts::default();
    for _ in 0..10 {
        machine.reboot(60);
        machine.read(&mut seen);
    }
    assert_eq!((seen.kept, seen.ended), (10, 0), "ten reboots of a machine whose clock is right cost what they take");
}
