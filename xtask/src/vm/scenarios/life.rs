//! Events in the life of a site on a virtual machine: install, boots, a new hostname, swap.

use anyhow::Result;

use super::super::accelerator::Accelerator;
use super::super::engineer;
use super::super::findings::Findings;
use super::super::image::HOSTNAME;
use super::super::lane::Lane;
use super::super::machine::Machine;
use super::{boot_installed, living};

/// Checks the install by its record of times. Only an emulated machine may be so slow that a component is not ready in
/// time.
pub(super) fn install(lane: &Lane, findings: &mut Findings) -> Result<()> {
    let record = lane.install_record()?;
    findings.saw(record.to_string());
    let may_be_slow = lane.hardware().accelerator == Accelerator::Emulated;
    findings.expect(record.resumes == 0 || may_be_slow, || format!("the install was resumed {} times", record.resumes));
    Ok(())
}

/// Checks that the site is ready on its own after a shutdown and a boot, and after a reboot.
pub(super) fn reboot(lane: &Lane, findings: &mut Findings) -> Result<()> {
    let mut machine = boot_installed(lane, "reboot", findings)?;
    engineer::prove_lightly(&mut machine)?;
    ready_after_reboot(&mut machine, findings)?;
    machine.power_off()
}

/// Reboots, waits until the status says ready, and proves that it is.
fn ready_after_reboot(machine: &mut Machine, findings: &mut Findings) -> Result<()> {
    let boot = machine.reboot()?;
    let ready = engineer::wait_ready(machine)?;
    findings.saw(format!("rebooted in {:.0} s, ready {:.0} s later", boot.as_secs_f64(), ready.as_secs_f64()));
    engineer::prove_lightly(machine)
}

/// Later hostname of the machine.
const RENAMED: &str = "renamed";

/// Checks that a renamed host becomes ready on its own and is usable, and likewise under its old name.
pub(super) fn rename(lane: &Lane, findings: &mut Findings) -> Result<()> {
    let mut machine = living(lane, "rename", findings)?;
    for (name, what) in [(RENAMED, "renamed"), (HOSTNAME, "named back")] {
        machine.run(&format!("hostnamectl set-hostname {name}"))?;
        findings.saw(what);
        ready_after_reboot(&mut machine, findings)?;
        let found = machine.run("hostname")?;
        findings.expect(found.trim() == name, || format!("{what}, the host is called {found}"));
    }
    machine.power_off()
}

/// Enables swap through `/etc/fstab`: on Ubuntu, every boot undoes a `swapoff`.
pub(super) fn swap(lane: &Lane, findings: &mut Findings) -> Result<()> {
    let mut machine = living(lane, "swap", findings)?;
    machine.run("sed --in-place 's/sw,noauto/sw/' /etc/fstab")?;
    let boot = machine.reboot()?;
    let used = machine.run("swapon --noheadings")?;
    findings.expect(!used.trim().is_empty(), || "the boot did not turn on swap".to_owned());
    findings.saw(format!("rebooted in {:.0} s with swap: {}", boot.as_secs_f64(), used.trim()));
    if let Err(error) = engineer::wait_ready(&mut machine) {
        let text = machine.try_run("landfall status")?.text();
        findings.expect(false, || format!("not ready with swap ({error:#})"));
        findings.expect(text.contains("swap"), || format!("the status does not say why:\n{text}"));
        return machine.power_off();
    }
    engineer::prove_lightly(&mut machine)?;
    machine.power_off()
}
