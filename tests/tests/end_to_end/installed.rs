//! Machines that start from the disk of a site on which 1.0.0 is installed. The install is done once for all tests of a
//! run.

use std::time::Instant;

use anyhow::Result;
use landfall_xtask::once::Once;
use landfall_xtask::printer;
use landfall_xtask::site::{Machine, MachineSpec, SavedDisk, Site};

use super::cut::boot;
use super::engineer::Engineer;
use super::fixture::{fixture, folder, machine_with_stick};

/// Creates a site with one machine that has the stick, and on which 1.0.0 is installed and ready. Nothing else has been
/// done on it.
pub(crate) fn installed_machine(name: &str) -> Result<(Site, Machine)> {
    let disk = disk()?;
    let site = Site::new(&Site::unique_name(name))?;
    let machine = site.machine_from(disk, MachineSpec::new("node-1").stick(&fixture()?.stick))?;
    start(&machine)?;
    Ok((site, machine))
}

/// Resets the machine to the state in which [`installed_machine`] returned it.
pub(crate) fn start_over(machine: &Machine) -> Result<()> {
    machine.return_to(disk()?)?;
    start(machine)
}

fn start(machine: &Machine) -> Result<()> {
    boot(machine)?;
    Engineer::at(machine).wait_ready("a boot from the disk of an installed machine").map(drop)
}

/// Returns the disk; the install runs on the first call.
fn disk() -> Result<&'static SavedDisk> {
    static DISK: Once<SavedDisk> = Once::new();
    DISK.get(install)
}

fn install() -> Result<SavedDisk> {
    let begun = Instant::now();
    let (_site, machine) = machine_with_stick("e2e-installed")?;
    let engineer = Engineer::at(&machine);
    engineer.install()?;
    engineer.wait_ready("the install")?;
    // Everything written so far is on the disk, and processes end as in a crash.
    machine.run("sync")?;
    machine.crash()?;
    let saved = SavedDisk::take(&machine, &folder().join("installed"))?;
    printer::note(format!("the disk of an installed machine took {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(saved)
}
