//! The state after an uninstall.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::super::findings::Findings;
use super::super::image::HOSTNAME;
use super::super::lane::Lane;
use super::super::snapshot::Moment;
use super::living;

/// Time limit of the uninstall on a dedicated machine.
const UNINSTALL_LIMIT: Duration = Duration::from_mins(5);

/// Folder that remains: the logs of Landfall's operations.
const KEPT: &str = "/var/log/landfall";

/// Checks that the machine is in its initial state: files, units, interfaces, mounts, routes, packet filter, settings.
pub(super) fn leaves_nothing(lane: &Lane, findings: &mut Findings) -> Result<()> {
    let birth = lane.birth()?;
    let mut machine = living(lane, "uninstall", findings)?;
    let begun = Instant::now();
    let limit = machine.patience(UNINSTALL_LIMIT);
    // The site is named after its node, which has the host's name.
    let command = format!("landfall --json uninstall --delete-data --confirm {HOSTNAME}");
    let output = machine.within(&command, limit)?;
    ensure!(output.is_success(), "landfall uninstall ended with {:?}: {}", output.code, output.text());
    findings.saw(format!("uninstalled in {:.0} s", begun.elapsed().as_secs_f64()));
    let now = Moment::of(&mut machine, Some(&birth))?;
    let difference = birth.difference(&now).outside(&[KEPT]);
    findings.expect(difference.is_empty(), || format!("the machine differs from its initial state:\n{difference}"));
    machine.power_off()
}
