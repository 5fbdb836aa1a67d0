//! Landfall's systemd units on a running site. The site recovers automatically from ended programs, a renamed host and
//! damaged certificates, and its containers get GPU devices.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;
use landfall_xtask::site::{Machine, wait_until};

use super::certificates::{CLIENT, SERVING, unusable_certificates};
use super::cut::boot;
use super::engineer::Engineer;
use super::gpu_devices;
use super::install::{containers, expect_to_run_on};
use super::installed::installed_machine;

const SERVICES: [&str; 3] = ["landfall-containerd", "landfall-kubelet", "landfall-agent"];

/// Time limit for a unit to report a problem, and for the agent to notice it.
const SAID_LIMIT: Duration = Duration::from_mins(1);

#[test]
#[ignore = "needs cargo xtask test"]
fn site_recovers_from_unit_failures() -> Result<()> {
    let (_site, machine) = installed_machine("e2e-units")?;
    let engineer = Engineer::at(&machine);
    expect_units(&machine)?;
    the_agent_is_replaced(engineer)?;
    the_kubelets_error_is_quoted(engineer)?;
    damaged_certificates(engineer)?;
    unusable_certificates(engineer)?;
    gpu_devices::reach_containers(engineer)?;
    a_renamed_host(engineer)?;
    engineer.uninstall_all()?;
    let units = machine.run("ls /etc/systemd/system; systemctl list-units --all --plain 'landfall*'")?.stdout;
    // The test machine's own file postpones the nightly backup.
    let is_left = |line: &str| line.contains("landfall") && line != "landfall-backup.timer.d";
    ensure!(!units.lines().any(is_left), "units are left:\n{units}");
    engineer.expect_unchanged("after an uninstall", &["/var/log/landfall"])
}

fn property(machine: &Machine, unit: &str, name: &str) -> Result<String> {
    Ok(machine.run(&format!("systemctl show --property {name} --value {unit}"))?.stdout.trim().to_owned())
}

/// Fails unless all units run in one slice and have not been restarted.
fn expect_units(machine: &Machine) -> Result<()> {
    for unit in SERVICES {
        let state = ["ActiveState", "UnitFileState", "Slice"].map(|name| property(machine, unit, name));
        let state = state.into_iter().collect::<Result<Vec<_>>>()?;
        ensure!(state == ["active", "enabled", "landfall.slice"], "{unit} is {state:?}");
    }
    wait_until("the agent's status", SAID_LIMIT, || {
        let said = property(machine, "landfall-agent", "StatusText")?;
        Ok((said == "containerd and the kubelet run").then_some(()))
    })
}

fn the_agent_is_replaced(engineer: Engineer<'_>) -> Result<()> {
    let before = containers(engineer.machine())?;
    for act in ["systemctl restart landfall-agent", "systemctl kill --signal KILL landfall-agent"] {
        engineer.machine().run(act)?;
        wait_until("the next agent", SAID_LIMIT, || {
            Ok((property(engineer.machine(), "landfall-agent", "ActiveState")? == "active").then_some(()))
        })?;
        expect_to_run_on(engineer, &before, act)?;
    }
    Ok(())
}

/// Makes the kubelet end repeatedly: its last error must be in the agent's status and in Landfall's.
fn the_kubelets_error_is_quoted(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let configuration = "/var/lib/kubelet/config.yaml";
    machine.run(&format!("cp {configuration} /root/kept && echo 'maxPods: many' >> {configuration}"))?;
    machine.run("systemctl restart --no-block landfall-kubelet")?;
    let said = wait_until("the kubelet's last error", SAID_LIMIT, || {
        let said = property(machine, "landfall-agent", "StatusText")?;
        Ok((said.contains("last error") && said.contains("maxPods")).then_some(said))
    });
    let said = said.with_context(|| property(machine, "landfall-agent", "StatusText").unwrap_or_default())?;
    printer::note(format!("the agent says: {said}"));
    let status = engineer.status()?;
    let is_quoted = status["agent"]["ready"] == false && status["agent"]["reason"].to_string().contains("maxPods");
    ensure!(is_quoted, "the status does not quote the kubelet: {status:#}");
    machine.run(&format!("mv /root/kept {configuration}"))?;
    engineer.wait_ready("the kubelet's configuration was right again").map(drop)
}

/// Damages certificates as a power cut might.
fn damaged_certificates(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    machine.run(&format!("truncate --size 0 $(readlink {CLIENT}) {SERVING} && sync"))?;
    machine.power_cut()?;
    boot(machine)?;
    engineer.wait_ready("a power cut that emptied certificates")?;
    let size = machine.run(&format!("stat --format %s {SERVING}"))?.stdout;
    ensure!(size.trim() != "0", "{SERVING} is still empty");
    expect_units(machine)
}

/// Renames the host, which the cluster knows by its old name.
fn a_renamed_host(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    machine.run("echo another-name > /etc/hostname && sync")?;
    machine.crash()?;
    boot(machine)?;
    let name = machine.run("hostname")?.stdout;
    ensure!(name.trim() == "another-name", "the machine was not renamed: {name}");
    let status = engineer.wait_ready("the host was renamed and booted")?;
    ensure!(status["nodes"][0]["name"] == "node-1", "another node: {status:#}");
    machine.run("echo node-1 > /etc/hostname && hostname node-1 && sync")?;
    machine.run("systemctl restart landfall-kubelet")?;
    engineer.wait_ready("the old name was restored").map(drop)
}
