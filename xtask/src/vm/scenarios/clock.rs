//! A clock that is wrong for one boot: a dead battery sets it years back, a wrong time source years ahead.

use anyhow::{Context, Result};
use jiff::{Timestamp, Zoned};

use super::super::engineer;
use super::super::findings::Findings;
use super::super::lane::Lane;
use super::super::machine::Machine;
use super::living;

/// A time before any site existed.
const LONG_AGO: &str = "2015-01-01T00:00:00Z";

/// Number of years by which the wrong source is ahead.
const YEARS_AHEAD: i16 = 10;

/// Step by which a running machine's clock is set forward: more than its uptime, and far less than the lifetime of a
/// certificate.
const SET_FORWARD: &str = "+3 hours";

/// Value that the database must return under a wrong clock.
const ROW: &str = "4711";

/// Sets the clock hours ahead without a boot: the site becomes ready again on its own. Then sets it ten years ahead,
/// first while everything runs and then for one boot, and back; likewise to 2015. Running containers continue. Under
/// the wrong clock, the status reports it and never says ready; afterwards, the site becomes ready on its own.
pub(super) fn wrong_for_one_boot(lane: &Lane, findings: &mut Findings) -> Result<()> {
    let mut machine = living(lane, "clock", findings)?;
    engineer::prove_lightly(&mut machine)?;
    machine.run(&format!("date --set '{SET_FORWARD}'"))?;
    let ready = engineer::wait_ready(&mut machine)?;
    findings.saw(format!("set by {SET_FORWARD} without a boot: ready after {:.0} s", ready.as_secs_f64()));
    engineer::in_database(&mut machine, &format!("CREATE TABLE timeless AS SELECT {ROW} AS number"))?;
    let now = Zoned::now();
    let ahead = now.with().year(now.year() + YEARS_AHEAD).build().context("there is no such time")?.timestamp();
    let long_ago: Timestamp = LONG_AGO.parse().context("there is no such time")?;
    for (what, wrong) in [("ten years ahead", ahead), ("in 2015", long_ago)] {
        keeps_running(&mut machine, (what, wrong), findings)?;
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

/// Sets the clock while everything runs: the database's container is not ended, and returns its row.
fn keeps_running(machine: &mut Machine, (what, wrong): (&str, Timestamp), findings: &mut Findings) -> Result<()> {
    let container = engineer::database_container(machine)?;
    machine.run(&format!("date --set '{wrong:.0}'"))?;
    let row = engineer::in_database_container(machine, &container, "SELECT number FROM timeless")?;
    if findings.expect(row.trim() == ROW, || format!("{what}: the database answers {row:?}")) {
        findings.saw(format!("{what} without a boot: the database gives its row"));
    }
    Ok(())
}

/// Shuts the machine down and boots it with this time; None means the correct time.
fn boot_at(machine: &mut Machine, time: Option<Timestamp>) -> Result<()> {
    machine.power_off()?;
    machine.set_clock(time);
    machine.boot().map(drop)
}
