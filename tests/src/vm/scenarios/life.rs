//! The life of a site on a virtual machine: it is installed, boots, is renamed, gets swap.

use anyhow::Result;

use super::super::engineer;
use super::super::findings::Findings;
use super::super::image::HOSTNAME;
use super::super::lane::Lane;
use super::super::machine::Machine;
use super::{booted, living};

/// The release is installed; its record says how long that took.
pub(super) fn install(lane: &Lane, findings: &mut Findings) -> Result<()> {
    findings.saw(lane.install_record()?);
    Ok(())
}

/// Ready by itself after a shutdown and a boot, and after a reboot.
pub(super) fn reboot(lane: &Lane, findings: &mut Findings) -> Result<()> {
    let mut machine = booted(lane, "reboot", findings)?;
    engineer::prove_lightly(&mut machine)?;
    ready_after_reboot(&mut machine, findings)?;
    machine.power_off()
}

/// Reboots, waits until the status says ready, and proves that it is true.
fn ready_after_reboot(machine: &mut Machine, findings: &mut Findings) -> Result<()> {
    let boot = machine.reboot()?;
    let ready = engineer::wait_ready(machine)?;
    findings.saw(format!("rebooted in {:.0} s, ready {:.0} s later", boot.as_secs_f64(), ready.as_secs_f64()));
    engineer::prove_lightly(machine)
}

/// The machine's later name.
const RENAMED: &str = "renamed";

/// A renamed host is ready, truly, or its status names the reason; named back, it is ready.
pub(super) fn rename(lane: &Lane, findings: &mut Findings) -> Result<()> {
    let mut machine = living(lane, "rename", findings)?;
    machine.run(&format!("hostnamectl set-hostname {RENAMED}"))?;
    machine.reboot()?;
    match engineer::wait_ready(&mut machine) {
        Ok(took) => {
            findings.saw(format!("renamed, ready {:.0} s after a boot", took.as_secs_f64()));
            let proved = engineer::prove_lightly(&mut machine);
            findings.expect(proved.is_ok(), || format!("renamed, the status says ready without reason: {proved:?}"));
        }
        Err(error) => {
            let text = machine.try_run("landfall status")?.text();
            let is_named = text.contains(RENAMED) && text.contains(HOSTNAME);
            findings.expect(is_named, || format!("renamed, the status does not say why ({error:#}):\n{text}"));
        }
    }
    machine.run(&format!("hostnamectl set-hostname {HOSTNAME}"))?;
    ready_after_reboot(&mut machine, findings)?;
    machine.power_off()
}

/// Swap that `/etc/fstab` turns on again: on Ubuntu, every boot undoes a `swapoff`.
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
