//! A full data folder, as described in the handbook. Operations that need space are refused, no data is lost, and
//! everything recovers automatically once there is space.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use landfall_xtask::proofs::sql;
use landfall_xtask::site::wait_until;
use serde_json::Value;

use super::ballast::{self, RemainingSpace};
use super::engineer::Engineer;
use super::handbook;
use super::installed::installed_machine;

/// Heading of the handbook's page.
const PAGE: &str = "field/runbooks/full-disk";

/// Space that is left free. The kubelet evicts pods below 1 GiB.
const FREE_BYTES: u64 = 400_000_000;

/// Time limit for the kubelet to evict a pod.
const EVICTION_LIMIT: Duration = Duration::from_mins(3);

#[test]
#[ignore = "needs cargo xtask test"]
fn full_disk_loses_nothing() -> Result<()> {
    let (_site, machine) = installed_machine("e2e-full-disk")?;
    let engineer = Engineer::at(&machine);
    sql(&machine, "CREATE TABLE kept (word text)")?;
    sql(&machine, "INSERT INTO kept VALUES ('acknowledged')")?;
    engineer.landfall(&["backup", "run"])?.report("backup run")?;
    let proven = proven_backups(engineer)?;
    ensure!(proven.len() == 1, "the proven backups are {proven:?}");

    ballast::fill(&machine, RemainingSpace::ForAll(FREE_BYTES))?;
    wait_for_eviction(engineer)?;
    let name = machine.run("hostname")?.stdout;
    let restore = ["restore", "--confirm", name.trim()];
    for verb in [&["backup", "run"][..], &["drill"], &["restore", "--dry-run"], &restore] {
        engineer.landfall(verb)?.expect_refusal(&verb.join(" "), "LF4615", 4)?;
    }
    let [look, later] = split(&handbook::commands(PAGE)?)?;
    look.iter().try_for_each(|command| handbook::types(&machine, command, &[0, 4]).map(drop))?;
    ensure!(proven_backups(engineer)? == proven, "a proven backup is gone");

    ballast::remove(&machine)?;
    engineer.wait_ready("there was room again")?;
    later.iter().try_for_each(|command| handbook::types(&machine, command, &[0]).map(drop))?;
    let rows = sql(&machine, "SELECT word FROM kept")?;
    ensure!(rows.trim() == "acknowledged", "the rows are {rows:?}");
    ensure!(proven_backups(engineer)?.len() == 2, "the page's backup is not proven");
    engineer.uninstall_all()?;
    engineer.expect_unchanged("after a full disk and an uninstall", &["/var/log/landfall"])
}

/// Waits until the kubelet has evicted a pod. Until then, the status must not say that the site is ready.
fn wait_for_eviction(engineer: Engineer<'_>) -> Result<()> {
    wait_until("an eviction", EVICTION_LIMIT, || {
        let status = engineer.status()?;
        let is_unready = status["ready"] == false && status["disk"]["ready"] == false;
        ensure!(is_unready, "the status with a full disk is {status:#}");
        let components = status["components"].as_array().context("the status has no components")?;
        Ok(components.iter().any(|component| component["ready"] != component["total"]).then_some(()))
    })
}

/// Returns the IDs of all proven backups.
fn proven_backups(engineer: Engineer<'_>) -> Result<Vec<Value>> {
    let listed = engineer.landfall(&["backup", "list"])?.report("backup list")?;
    let backups = listed["backups"].as_array().context("no list of backups")?;
    Ok(backups.iter().filter(|backup| backup["proven"].is_string()).map(|backup| backup["id"].clone()).collect())
}

/// Splits the page's commands into those before there is space, and those after it. Both begin with the status.
fn split(commands: &[String]) -> Result<[Vec<String>; 2]> {
    let Some(again) = commands.iter().rposition(|command| command == "landfall status").filter(|index| *index > 0)
    else {
        bail!("the page does not check the status twice: {commands:?}");
    };
    let (look, later) = commands.split_at(again);
    Ok([look.to_vec(), later.to_vec()])
}
