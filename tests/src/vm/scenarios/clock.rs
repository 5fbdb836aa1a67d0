//! A clock that cannot be right for one boot: a dead battery sets it years back, a wrong time source years ahead.

use anyhow::{Context, Result};
use jiff::{Timestamp, Zoned};

use super::super::engineer;
use super::super::findings::Findings;
use super::super::lane::Lane;
use super::super::machine::Machine;
use super::living;

/// Before any site existed.
const LONG_AGO: &str = "2015-01-01T00:00:00Z";

/// How far ahead the wrong source is.
const YEARS_AHEAD: i16 = 10;

/// By how much the clock of a running machine is set forward: more than it has been on, and far less than a certificate lasts.
const SET_FORWARD: &str = "+3 hours";

/// Hours ahead without a boot: the site is ready again by itself. Then ten years ahead for one boot, and right again; the same
/// with a clock of 2015. Under the wrong clock the status names it and never says ready; under the right one the site is ready
/// by itself.
pub(super) fn wrong_for_one_boot(lane: &Lane, findings: &mut Findings) -> Result<()> {
    let mut machine = living(lane, "clock", findings)?;
    engineer::prove_lightly(&mut machine)?;
    machine.run(&format!("date --set '{SET_FORWARD}'"))?;
    let ready = engineer::wait_ready(&mut machine)?;
    findings.saw(format!("set by {SET_FORWARD} without a boot: ready after {:.0} s", ready.as_secs_f64()));
    let now = Zoned::now();
    let ahead = now.with().year(now.year() + YEARS_AHEAD).build().context("there is no such time")?.timestamp();
    let long_ago: Timestamp = LONG_AGO.parse().context("there is no such time")?;
    for (what, wrong) in [("ten years ahead", ahead), ("in 2015", long_ago)] {
        boot_at(&mut machine, Some(wrong))?;
        let status = engineer::status(&mut machine)?;
        findings.expect(status["ready"] == false, || format!("{what}: the status says ready: {status:#}"));
        findings.expect(status["clock"]["ready"] == false, || format!("{what}: the status does not name the clock"));
        boot_at(&mut machine, None)?;
        let ready = engineer::wait_ready(&mut machine)?;
        findings.saw(format!("{what} for one boot: ready {:.0} s after the next", ready.as_secs_f64()));
        engineer::prove_lightly(&mut machine)?;
    }
    machine.power_off()
}

/// Shuts the machine down and boots it with this time in its clock; none is the right one.
fn boot_at(machine: &mut Machine, time: Option<Timestamp>) -> Result<()> {
    machine.power_off()?;
    machine.set_clock(time);
    machine.boot().map(drop)
}
