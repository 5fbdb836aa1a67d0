//! Trusted time: the newest signed timestamp, plus the time that the site has run since. The wall clock is only
//! supporting evidence.
//!
//! Threats:
//! - a clock that is set back to keep a license from ending (running time counts, whatever the clock says);
//! - a clock that is dead or set ahead, which must not end a license (it moves trusted time by at most a day per boot);
//! - a date that was confirmed by mistake (a user can confirm another one, down to the certain time).
//!
//! Two times are kept. `least` has certainly passed: signed timestamps raise it, and running time adds to it; nothing
//! lowers it. `estimate` is the effective time. It is never earlier than `least`, and follows the wall clock where that
//! is trusted.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Maximum lead of a clock over the certain time when a user confirms it, or when a site gets its first license. It is
/// the longest time that a site waits in a warehouse, as for certificates.
const LONGEST_SILENCE: SignedDuration = SignedDuration::from_hours(43_800);

/// Maximum number of confirmations that are kept.
const CONFIRMATIONS: usize = 50;

/// Schema of the stored document.
const SCHEMA: u32 = 1;

/// The clocks of a machine at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Clocks<'a> {
    /// The wall clock.
    pub wall: Timestamp,
    /// Name of this boot.
    pub boot: &'a str,
    /// Time that the machine has run since this boot, including suspended time.
    pub uptime: Duration,
}

/// Like [`Clocks`], with owned values, for a program that reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineClocks {
    /// The wall clock.
    pub wall: Timestamp,
    /// Name of this boot.
    pub boot: String,
    /// Time that the machine has run since this boot, including suspended time.
    pub uptime: Duration,
}

impl MachineClocks {
    /// Reads the clocks of a machine with this wall clock. `text` returns the contents of a kernel file, or an empty
    /// text if it cannot be read. Without the kernel's boot ID and uptime, no time has run.
    pub fn of(wall: Timestamp, text: impl Fn(&str) -> String) -> Self {
        let uptime = text("/proc/uptime").split('.').next().and_then(|seconds| seconds.parse().ok());
        Self {
            wall,
            boot: text("/proc/sys/kernel/random/boot_id").trim().to_owned(),
            uptime: Duration::from_secs(uptime.unwrap_or_default()),
        }
    }

    /// Returns the clocks in the form that trusted time and kept answers take.
    pub fn clocks(&self) -> Clocks<'_> {
        Clocks { wall: self.wall, boot: &self.boot, uptime: self.uptime }
    }
}

/// A user's confirmation of the wall clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confirmation {
    /// Trusted time before the confirmation.
    pub before: Timestamp,
    /// Trusted time after the confirmation.
    pub after: Timestamp,
}

/// The reason why a date cannot be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnconfirmableDate {
    /// The clock is earlier than a time that has certainly passed.
    #[error(
        "the clock says {wall:.0}, and {least:.0} has certainly passed: \
        the vendor's signatures and the running time of this site show it"
    )]
    Behind {
        /// The wall clock.
        wall: Timestamp,
        /// The time that has certainly passed.
        least: Timestamp,
    },
    /// The clock is implausibly late.
    #[error(
        "the clock says {wall:.0}, and is not believed later than {latest:.0}, \
        five years after the newest time that is certain"
    )]
    Ahead {
        /// The wall clock.
        wall: Timestamp,
        /// The latest time that is accepted.
        latest: Timestamp,
    },
}

/// The agreement between the wall clock and trusted time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// They differ by at most a day.
    Agree,
    /// The clock is behind by this much.
    Behind(SignedDuration),
    /// The clock is ahead by this much.
    Ahead(SignedDuration),
}

/// Trusted time, as a site stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustedTime {
    schema: u32,
    /// Number that grows with every change: of two copies, the one with the greater number is newer.
    sequence: u64,
    least: Timestamp,
    estimate: Timestamp,
    boot: String,
    uptime_seconds: u64,
    /// Seconds by which the wall clock has moved the estimate since the boot.
    leapt_seconds: u64,
    confirmations: Vec<Confirmation>,
}

impl TrustedTime {
    /// Begins the trusted time of a site from its newest signed timestamp. A user who imports a license is present, so
    /// the clock is accepted if it is plausible.
    pub fn begin(signed: Timestamp, clocks: &Clocks<'_>) -> Self {
        let signed = truncate_to_seconds(signed);
        let is_plausible = clocks.wall >= signed && clocks.wall.duration_since(signed) <= LONGEST_SILENCE;
        Self {
            schema: SCHEMA,
            sequence: 1,
            least: signed,
            estimate: if is_plausible { truncate_to_seconds(clocks.wall) } else { signed },
            boot: clocks.boot.to_owned(),
            uptime_seconds: clocks.uptime.as_secs(),
            leapt_seconds: 0,
            confirmations: Vec::new(),
        }
    }

    /// The effective time.
    pub const fn now(&self) -> Timestamp {
        self.estimate
    }

    /// The time that has certainly passed.
    pub const fn least(&self) -> Timestamp {
        self.least
    }

    /// The kept confirmations, oldest first.
    pub fn confirmations(&self) -> &[Confirmation] {
        &self.confirmations
    }

    /// Adds the time that the site has run since the last look. Then the wall clock may move the estimate forward, by
    /// at most a day per boot. So a site that was off for a night is correct immediately, and a wrong clock costs a
    /// day.
    pub fn observe(&mut self, clocks: &Clocks<'_>) {
        let ran = self.ran_since(clocks);
        self.least = later(self.least, ran);
        self.estimate = later(self.estimate, ran);
        let ahead = truncate_to_seconds(clocks.wall).duration_since(self.estimate);
        let leapt = SignedDuration::from_secs(i64::try_from(self.leapt_seconds).unwrap_or(i64::MAX));
        if ahead.is_positive() && ahead <= DAY.saturating_sub(leapt) {
            self.estimate = truncate_to_seconds(clocks.wall);
            self.leapt_seconds = self.leapt_seconds.saturating_add(ahead.as_secs().unsigned_abs());
        }
        self.sequence = self.sequence.saturating_add(1);
    }

    /// Returns the time that the site has run since the last look. Within a boot, it is exact. After another boot, it
    /// is the time since that boot, up to a day: the disk may have been moved to a machine that has run for a year.
    /// Clocks that were read before the last look add nothing, nor do those of a kernel that does not name its boot.
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

    /// Raises trusted time to a timestamp whose signature was verified. An earlier one changes nothing.
    pub fn learn(&mut self, signed: Timestamp) {
        self.least = self.least.max(truncate_to_seconds(signed));
        self.estimate = self.estimate.max(self.least);
        self.sequence = self.sequence.saturating_add(1);
    }

    /// Adopts the wall clock, which a user has confirmed, however far it is from the estimate: forward, or back to the
    /// certain time.
    pub fn confirm(&mut self, clocks: &Clocks<'_>) -> Result<Confirmation, UnconfirmableDate> {
        self.observe(clocks);
        let (wall, least) = (truncate_to_seconds(clocks.wall), self.least);
        if least.duration_since(wall) > DAY {
            return Err(UnconfirmableDate::Behind { wall, least });
        }
        let latest = later(least, LONGEST_SILENCE);
        if wall > latest {
            return Err(UnconfirmableDate::Ahead { wall, latest });
        }
        let confirmation = Confirmation { before: self.estimate, after: wall.max(least) };
        self.estimate = confirmation.after;
        self.leapt_seconds = 0;
        self.confirmations.push(confirmation.clone());
        let surplus = self.confirmations.len().saturating_sub(CONFIRMATIONS);
        self.confirmations.drain(..surplus);
        Ok(confirmation)
    }

    /// Returns the agreement between the wall clock and the estimate.
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

    /// Merges two copies: the newer one, but never less than the certain time of either.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let least = self.least.max(other.least);
        let newer = if other.sequence > self.sequence { other } else { self };
        Self { least, estimate: newer.estimate.max(least), ..newer }
    }
}

/// Truncates a time to whole seconds, as stored.
fn truncate_to_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
