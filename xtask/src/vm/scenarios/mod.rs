//! The scenarios for virtual machines. Each branches from a disk of the lane and runs independently.

use std::time::Duration;

use anyhow::{Context, Result};

use super::engineer;
use super::findings::Findings;
use super::lane::Lane;
use super::machine::Machine;

mod clock;
mod firewall;
mod life;
mod media;
mod preflight;
mod rows;
mod uninstall;

/// One scenario.
pub struct Scenario {
    /// Name, by which it can be selected.
    pub name: &'static str,
    /// Behavior that it shows.
    pub what: &'static str,
    /// True if it runs regardless of the remaining time.
    pub always: bool,
    /// Usual duration on a dedicated machine.
    pub usual: Duration,
    /// Function of the scenario. An error ends it; unmet expectations are in the findings.
    pub(super) act: fn(&Lane, &mut Findings) -> Result<()>,
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The scenarios, cheap ones first.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "boot",
        what: "a stock Debian boots, is what the lane says it is, and nothing blocks an install",
        always: true,
        usual: seconds(20),
        act: preflight::stock,
    },
    Scenario {
        name: "preflight-ufw",
        what: "ufw as Debian enables it blocks an install, and the blocker's commands help",
        always: true,
        usual: seconds(30),
        act: preflight::ufw,
    },
    Scenario {
        name: "preflight-nftables",
        what: "nftables with drop policies blocks an install, and the blocker's commands help",
        always: true,
        usual: seconds(30),
        act: preflight::nftables,
    },
    Scenario {
        name: "preflight-faults",
        what: "faults of clock, swap, disk, kernel and packet filter are found one by one, each with its fix, and \
            nothing once each is mended",
        always: false,
        usual: seconds(60),
        act: preflight::faults,
    },
    Scenario {
        name: "stick-pulled",
        what: "a stick pulled while staging is reported at once; connected again, the advice helps, and only the rest \
            is read",
        always: false,
        usual: seconds(90),
        act: media::stick_pulled,
    },
    Scenario {
        name: "install",
        what: "the release is installed from the stick and can be used",
        always: false,
        usual: seconds(150),
        act: life::install,
    },
    Scenario {
        name: "reboot",
        what: "after a shutdown and a boot, and after a reboot, everything is ready unaided and can be used",
        always: false,
        usual: seconds(120),
        act: life::reboot,
    },
    Scenario {
        name: "hard-reset",
        what: "the power is cut while rows are written; every acknowledged row exists after a boot",
        always: false,
        usual: seconds(120),
        act: rows::hard_reset,
    },
    Scenario {
        name: "firewall",
        what: "nftables restarted, then flushed: services answer again, and the status stays true",
        always: false,
        usual: seconds(120),
        act: firewall::restarted_and_flushed,
    },
    Scenario {
        name: "rename",
        what: "the host is renamed and boots, then gets its old name and boots: ready unaided each time, and can be \
            used",
        always: false,
        usual: seconds(180),
        act: life::rename,
    },
    Scenario {
        name: "swap",
        what: "swap that was off at the install is on after a later boot",
        always: false,
        usual: seconds(120),
        act: life::swap,
    },
    Scenario {
        name: "clock",
        what: "the clock is set forward: ready; it is ten years ahead, then in 2015: the database that runs gives its \
            row; after a boot the clock is named, never ready; after the next one ready unaided",
        always: false,
        usual: seconds(300),
        act: clock::wrong_for_one_boot,
    },
    Scenario {
        name: "uninstall",
        what: "the machine is as it was at its birth, packet filter included",
        always: false,
        usual: seconds(120),
        act: uninstall::leaves_nothing,
    },
];

/// Returns a machine with the release installed, once it is ready.
fn living(lane: &Lane, name: &str, findings: &mut Findings) -> Result<Machine> {
    let mut machine = lane.living(name)?;
    let ready = engineer::wait_ready(&mut machine)?;
    findings.saw(format!("ready {:.0} s after it was woken", ready.as_secs_f64()));
    Ok(machine)
}

/// Boots a machine with the release installed, and waits until it is ready.
fn boot_installed(lane: &Lane, name: &str, findings: &mut Findings) -> Result<Machine> {
    let mut machine = lane.installed_machine(name)?;
    let boot = machine.boot()?;
    let ready = engineer::wait_ready(&mut machine)?;
    findings.saw(format!("booted in {:.0} s, ready {:.0} s later", boot.as_secs_f64(), ready.as_secs_f64()));
    findings.saw(engineer::restarts(&mut machine)?);
    Ok(machine)
}

/// Returns the scenario of this name.
pub fn find(name: &str) -> Result<&'static Scenario> {
    let names = || SCENARIOS.iter().map(|scenario| scenario.name).collect::<Vec<_>>().join(", ");
    let found = SCENARIOS.iter().find(|scenario| scenario.name == name);
    found.with_context(|| format!("there is no scenario {name}, only: {}", names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_found_by_name() {
        let names: std::collections::BTreeSet<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), SCENARIOS.len());
        assert!(names.iter().all(|name| find(name).is_ok_and(|scenario| scenario.name == *name)));
        assert!(find("no such").is_err_and(|error| error.to_string().contains("preflight-ufw")));
    }
}
