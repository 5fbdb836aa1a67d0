//! Trusted time: the newest signed timestamp, and the time that the site has run since. The wall clock is a witness, not a
//! judge.
//!
//! Threats: a clock that is set back to keep a license from ending (running time counts, whatever the clock says), a clock
//! that is set ahead or a dead one, which must not end a license (it moves trusted time by a day per boot at most), and a
//! date that was confirmed by mistake (it can be confirmed again, down to what is certain).
//!
//! Two times are kept. `least` is certain to have passed: signed timestamps raise it, and running time adds to it; nothing
//! lowers it. `estimate` is what counts. It is never earlier than `least`, and follows the wall clock where that is believed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How far a clock may be ahead of what is certain when a person confirms it, or when a site gets its first license: the
/// longest that a site waits in a warehouse, as for certificates.
const LONGEST_SILENCE: SignedDuration = SignedDuration::from_hours(43_800);

/// How many confirmations are kept.
const CONFIRMATIONS: usize = 50;

/// Form of the stored document.
const SCHEMA: u32 = 1;

/// The clocks of a machine at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Clocks<'a> {
    /// The wall clock.
    pub wall: Timestamp,
    /// What names this boot.
    pub boot: &'a str,
    /// How long the machine has run since this boot, suspended time included.
    pub uptime: Duration,
}

/// The same, for whoever has read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineClocks {
    /// The wall clock.
    pub wall: Timestamp,
    /// What names this boot.
    pub boot: String,
    /// How long the machine has run since this boot, suspended time included.
    pub uptime: Duration,
}

impl MachineClocks {
    /// What the clocks say whose wall clock says this. `text` reads a file of the kernel; one that cannot be read is empty, and without
    /// the kernel's word on boot and uptime, no time has run.
    pub fn of(wall: Timestamp, text: impl Fn(&str) -> String) -> Self {
        let uptime = text("/proc/uptime").split('.').next().and_then(|seconds| seconds.parse().ok());
        Self {
            wall,
            boot: text("/proc/sys/kernel/random/boot_id").trim().to_owned(),
            uptime: Duration::from_secs(uptime.unwrap_or_default()),
        }
    }

    /// As trusted time and kept answers take them.
    pub fn clocks(&self) -> Clocks<'_> {
        Clocks { wall: self.wall, boot: &self.boot, uptime: self.uptime }
    }
}

/// A person's confirmation of the wall clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confirmation {
    /// Trusted time before.
    pub before: Timestamp,
    /// Trusted time from then on.
    pub after: Timestamp,
}

/// Why a date cannot be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unconfirmable {
    /// It is earlier than a time that has certainly passed.
    #[error(
        "the clock says {wall:.0}, and {least:.0} has certainly passed: the vendor's signatures and the running time of this site show it"
    )]
    Behind {
        /// The wall clock.
        wall: Timestamp,
        /// What has passed.
        least: Timestamp,
    },
    /// It is implausibly late.
    #[error(
        "the clock says {wall:.0}, and is not believed later than {latest:.0}, five years after the newest time that is certain"
    )]
    Ahead {
        /// The wall clock.
        wall: Timestamp,
        /// The latest that is believed.
        latest: Timestamp,
    },
}

/// How the wall clock and trusted time agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// They differ by a day at most.
    Agree,
    /// The clock is earlier by this.
    Behind(SignedDuration),
    /// The clock is later by this.
    Ahead(SignedDuration),
}

/// Trusted time, as a site stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustedTime {
    schema: u32,
    /// Grows with every change: of two copies, the greater one is newer.
    sequence: u64,
    least: Timestamp,
    estimate: Timestamp,
    boot: String,
    uptime_seconds: u64,
    /// By how much the wall clock has moved the estimate since the boot.
    leapt_seconds: u64,
    confirmations: Vec<Confirmation>,
}

impl TrustedTime {
    /// The first one of a site, from its newest signed timestamp. A person is there, who imports a license: the clock counts
    /// if it is plausible.
    pub fn begin(signed: Timestamp, clocks: &Clocks<'_>) -> Self {
        let signed = whole(signed);
        let is_plausible = clocks.wall >= signed && clocks.wall.duration_since(signed) <= LONGEST_SILENCE;
        Self {
            schema: SCHEMA,
            sequence: 1,
            least: signed,
            estimate: if is_plausible { whole(clocks.wall) } else { signed },
            boot: clocks.boot.to_owned(),
            uptime_seconds: clocks.uptime.as_secs(),
            leapt_seconds: 0,
            confirmations: Vec::new(),
        }
    }

    /// The time that counts.
    pub const fn now(&self) -> Timestamp {
        self.estimate
    }

    /// A time that has certainly passed.
    pub const fn least(&self) -> Timestamp {
        self.least
    }

    /// Every confirmation that is kept, oldest first.
    pub fn confirmations(&self) -> &[Confirmation] {
        &self.confirmations
    }

    /// Adds the time that the site has run since the last look. Then the wall clock may move the estimate forward: by a day
    /// per boot at most, so that a site which was off for a night is right at once, and a wrong clock costs a day.
    pub fn observe(&mut self, clocks: &Clocks<'_>) {
        let ran = self.ran_since(clocks);
        self.least = later(self.least, ran);
        self.estimate = later(self.estimate, ran);
        let ahead = whole(clocks.wall).duration_since(self.estimate);
        let leapt = SignedDuration::from_secs(i64::try_from(self.leapt_seconds).unwrap_or(i64::MAX));
        if ahead.is_positive() && ahead <= DAY.saturating_sub(leapt) {
            self.estimate = whole(clocks.wall);
            self.leapt_seconds = self.leapt_seconds.saturating_add(ahead.as_secs().unsigned_abs());
        }
        self.sequence = self.sequence.saturating_add(1);
    }

    /// The time that the site has run since the last look. Within a boot it is exact. After another boot it is the time since
    /// then, but no more than a day: a disk may have come to a machine that has run for a year. Clocks that were read before
    /// the last look add nothing, and neither do those of a kernel that does not name its boot.
    fn ran_since(&mut self, clocks: &Clocks<'_>) -> SignedDuration {
        let uptime = clocks.uptime.as_secs();
        if clocks.boot.is_empty() {
            return SignedDuration::ZERO;
        }
        let ran = if clocks.boot == self.boot {
            let ran = uptime.saturating_sub(self.uptime_seconds);
            self.uptime_seconds = self.uptime_seconds.max(uptime);
            ran
        } else {
            clocks.boot.clone_into(&mut self.boot);
            (self.uptime_seconds, self.leapt_seconds) = (uptime, 0);
            uptime.min(DAY.as_secs().unsigned_abs())
        };
        SignedDuration::from_secs(i64::try_from(ran).unwrap_or(i64::MAX))
    }

    /// A timestamp under a signature that was checked: it has passed. An earlier one changes nothing.
    pub fn learn(&mut self, signed: Timestamp) {
        self.least = self.least.max(whole(signed));
        self.estimate = self.estimate.max(self.least);
        self.sequence = self.sequence.saturating_add(1);
    }

    /// Takes over the wall clock, which a person has confirmed, however far it is from the estimate: forward, and back to what
    /// is certain.
    pub fn confirm(&mut self, clocks: &Clocks<'_>) -> Result<Confirmation, Unconfirmable> {
        self.observe(clocks);
        let (wall, least) = (whole(clocks.wall), self.least);
        if least.duration_since(wall) > DAY {
            return Err(Unconfirmable::Behind { wall, least });
        }
        let latest = later(least, LONGEST_SILENCE);
        if wall > latest {
            return Err(Unconfirmable::Ahead { wall, latest });
        }
        let confirmation = Confirmation { before: self.estimate, after: wall.max(least) };
        self.estimate = confirmation.after;
        self.leapt_seconds = 0;
        self.confirmations.push(confirmation.clone());
        let surplus = self.confirmations.len().saturating_sub(CONFIRMATIONS);
        self.confirmations.drain(..surplus);
        Ok(confirmation)
    }

    /// How the wall clock agrees with it.
    pub fn agreement(&self, wall: Timestamp) -> Agreement {
        let ahead = wall.duration_since(self.estimate);
        if ahead > DAY {
            Agreement::Ahead(ahead)
        } else if -ahead > DAY {
            Agreement::Behind(-ahead)
        } else {
            Agreement::Agree
        }
    }

    /// The one that counts of two copies: the newer one, and never less than either is certain of.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        let least = self.least.max(other.least);
        let newer = if other.sequence > self.sequence { other } else { self };
        Self { least, estimate: newer.estimate.max(least), ..newer }
    }
}

/// Whole seconds, as they are stored.
fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
