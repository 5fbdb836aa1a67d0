//! Expected time of a step: from the last install on this machine, the measured speed of its disk, or a reference
//! machine.

use landfall_engine::plan::PlannedStep;
use landfall_host::facts::{Facts, Speeds};
use landfall_host::step_times::StepTime;
use schemars::JsonSchema;
use serde::Serialize;

use crate::steps::action::Action;

/// Basis of a step's expected duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The last install on this machine executed the step.
    Measured,
    /// The speeds of this machine were measured.
    Speed,
    /// Nothing is known about this machine: the duration is that of a reference machine.
    Reference,
}

impl Basis {
    /// Returns the basis as text for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Measured => "by the last install here",
            Self::Speed => "by measured speed",
            Self::Reference => "on a reference machine",
        }
    }
}

/// Returns the milliseconds of a step that leaves `stays` bytes, and the basis of that number.
pub(super) fn of_step(planned: &PlannedStep<Action>, stays: u64, facts: &Facts) -> (u64, Basis) {
    if let Some(time) = facts.step_times.get(&planned.id.0) {
        return (scale_time(*time, planned.bytes), Basis::Measured);
    }
    let reference = planned.seconds.saturating_mul(1000);
    let Some(speeds) = facts.speeds else { return (reference, Basis::Reference) };
    match &planned.action {
        Action::Stage(_) => (milliseconds(planned.bytes, staging(speeds)), Basis::Speed),
        // Starting programs takes the same time on any machine; unpacking depends on the disk.
        _ if stays > 0 => (reference.saturating_add(milliseconds(stays, speeds.write_bytes_per_second)), Basis::Speed),
        _ => (reference, Basis::Reference),
    }
}

/// Scales the time of an earlier run to the current number of bytes.
fn scale_time(time: StepTime, bytes: u64) -> u64 {
    if time.bytes == 0 || bytes == 0 {
        return time.milliseconds;
    }
    let scaled = u128::from(time.milliseconds) * u128::from(bytes) / u128::from(time.bytes);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// Returns the bytes per second of staging, which hashes and writes each. The speed of the media is unknown until they
/// are connected.
fn staging(speeds: Speeds) -> u64 {
    speeds.write_bytes_per_second.min(speeds.hash_bytes_per_second)
}

fn milliseconds(bytes: u64, bytes_per_second: u64) -> u64 {
    u64::try_from(u128::from(bytes) * 1000 / u128::from(bytes_per_second.max(1))).unwrap_or(u64::MAX)
}
