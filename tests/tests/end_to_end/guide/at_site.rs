//! The end of the guide: a person at the site types its commands, on a machine that has nothing but the stick.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use landfall_tests::proofs::{Expected, expect_ready, in_pod};
use landfall_tests::site::{Machine, MachineSpec, Site};
use landfall_tests::{documents, printer};
use serde_json::Value;

use super::turns::{Turns, created};
use crate::end_to_end::engineer::{Engineer, VERB_LIMIT};
use crate::end_to_end::later_releases::NEXT;

/// Where the guide leaves the fingerprint of the letter out.
const LETTER: &str = "sha256:…";

/// Where the chart's pods are, and how kubectl finds one of them.
pub(super) const NAMESPACE: &str = "hello";
const POD: &str = "deployment/hello";

/// Installs the wheels from the index that the pod's environment names, and prints their total.
const INSTALL: &str = "folder=$(mktemp -d); pip install --quiet --no-cache-dir --require-hashes --target \"$folder\" \
    --requirement /shared/wheels/requirements.txt; PYTHONPATH=$folder python3 -c 'import packaging, tally; print(packaging.TOTAL + tally.TOTAL)'; rm -r \"$folder\"";

/// Types the commands at a machine with the stick. Then the bundle's software is ready and of use, and an uninstall leaves nothing of it.
pub(super) fn land(commands: &[String], stick: &Path, shown: &Value) -> Result<()> {
    let [install, prove] = commands else { bail!("the guide does not have two commands for the site: {commands:?}") };
    ensure!(install.contains(LETTER), "the guide installs without a fingerprint: {install}");
    let fingerprint = shown["roots"][0]["fingerprint"].as_str().context("the bundle shows no fingerprint")?;
    let expected = Expected::from_inspection(shown)?;

    let site = Site::new(&Site::unique_name("e2e-guide"))?;
    let machine = site.machine(MachineSpec::new("node-1").stick(stick))?;
    machine.boot()?;
    let engineer = Engineer::at(&machine);
    typed(&machine, &install.replace(LETTER, fingerprint))?;
    expect_ready(&engineer.wait_ready("the install of the guide's bundle")?, &expected)?;
    expect_proved(&typed(&machine, prove)?, &expected)?;
    expect_use(&machine, &expected)?;
    changes(engineer)?;
    engineer.uninstall_all()?;
    engineer.expect_unchanged("after the guide and an uninstall", &["/var/log/landfall"])?;
    ensure!(engineer.status()?["verdict"] == "absent", "status still sees something");
    Ok(())
}

/// The chart's Jobs run at the install, at an upgrade to the next version, and again on the way back.
fn changes(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let first = Turns::read(machine, "0-1-0")?;
    first.expect_around(&created(machine)?)?;
    engineer.landfall(&["upgrade", NEXT])?.report("upgrade of a chart")?;
    engineer.wait_ready("the upgrade of a chart")?;
    let second = Turns::read(machine, "0-2-0")?;
    second.expect_after(&first)?;
    engineer.landfall(&["rollback"])?.report("rollback of a chart")?;
    engineer.wait_ready("the rollback of a chart")?;
    Turns::read(machine, "0-1-0")?.expect_after(&second)?;
    printer::note("proved: hooks of a chart run in their turns at an install, an upgrade and a rollback");
    Ok(())
}

/// Types a command of the guide, which must succeed; returns its document.
fn typed(machine: &Machine, command: &str) -> Result<Value> {
    let output = machine.run(&format!("timeout --signal=KILL {VERB_LIMIT} {command} --json"))?;
    documents::read(&output.stdout).with_context(|| format!("`{command}`"))
}

/// Every proof that the guide's release declares has passed.
fn expect_proved(report: &Value, expected: &Expected) -> Result<()> {
    let proofs = report["proofs"].as_array().context("no proofs")?;
    let names: Vec<_> = proofs.iter().filter_map(|proof| proof["name"].as_str()).collect();
    ensure!(report["passed"] == true && names == expected.proofs && !names.is_empty(), "{report:#}");
    Ok(())
}

/// A pod reads the model and the wheels, cannot change them, and installs the wheel from the site's index.
fn expect_use(machine: &Machine, expected: &Expected) -> Result<()> {
    let script = |script: &str| in_pod(machine, NAMESPACE, POD, script);
    let read = script(&format!("sha256sum /shared/model/{}", expected.weights_path))?;
    let digest = expected.weights.trim_start_matches("sha256:");
    ensure!(read.stdout.starts_with(digest), "the model is another one: {}{}", read.stdout, read.stderr);
    for folder in ["model", "wheels"] {
        let written = script(&format!("touch /shared/{folder}/planted"))?;
        let is_refused = !written.status.success() && written.stderr.contains("Read-only file system");
        ensure!(is_refused, "a pod can write beside the {folder}: {}{}", written.stdout, written.stderr);
    }
    let installed = script(INSTALL)?;
    ensure!(installed.stdout.trim() == "12", "pip installs no wheels: {}{}", installed.stdout, installed.stderr);
    Ok(())
}
