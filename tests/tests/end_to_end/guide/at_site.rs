//! The end of the guide: a person at the site types its commands, on a machine that has only the stick.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use landfall_xtask::proofs::{ExpectedRelease, expect_ready, in_pod};
use landfall_xtask::site::{Machine, MachineSpec, Site};
use landfall_xtask::{documents, printer};
use serde_json::Value;

use super::turns::{Turns, creation_time};
use crate::end_to_end::engineer::{Engineer, VERB_LIMIT};
use crate::end_to_end::later_releases::NEXT;

/// Placeholder of the fingerprint in the guide.
const LETTER: &str = "sha256:…";

/// Namespace of the chart's pods, and kubectl's name for one of them.
pub(super) const NAMESPACE: &str = "hello";
const POD: &str = "deployment/hello";

/// Script that installs the wheels from the index that the pod's environment names, and prints their total.
const INSTALL: &str = "folder=$(mktemp -d); pip install --quiet --no-cache-dir --require-hashes --target \"$folder\" \
    --requirement /shared/wheels/requirements.txt; PYTHONPATH=$folder python3 -c 'import packaging, tally; \
    print(packaging.TOTAL + tally.TOTAL)'; rm -r \"$folder\"";

/// Types the commands on a machine with the stick. Afterwards, the bundle's software must be ready and usable, and an
/// uninstall must remove all of it.
pub(super) fn land(commands: &[String], stick: &Path, shown: &Value) -> Result<()> {
    let [install, prove] = commands else { bail!("the guide does not have two commands for the site: {commands:?}") };
    ensure!(install.contains(LETTER), "the guide installs without a fingerprint: {install}");
    let fingerprint = shown["roots"][0]["fingerprint"].as_str().context("the bundle shows no fingerprint")?;
    let expected = ExpectedRelease::from_inspection(shown)?;

    let site = Site::new(&Site::unique_name("e2e-guide"))?;
    let machine = site.machine(MachineSpec::new("node-1").stick(stick))?;
    machine.boot()?;
    let engineer = Engineer::at(&machine);
    run_command(&machine, &install.replace(LETTER, fingerprint))?;
    expect_ready(&engineer.wait_ready("the install of the guide's bundle")?, &expected)?;
    expect_proved(&run_command(&machine, prove)?, &expected)?;
    expect_use(&machine, &expected)?;
    changes(engineer)?;
    engineer.uninstall_all()?;
    engineer.expect_unchanged("after the guide and an uninstall", &["/var/log/landfall"])?;
    ensure!(engineer.status()?["verdict"] == "absent", "status still sees something");
    Ok(())
}

/// Checks that the chart's Jobs run at the install, at an upgrade to the next version, and again at the rollback.
fn changes(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let first = Turns::read(machine, "0-1-0")?;
    first.expect_around(&creation_time(machine)?)?;
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

/// Types a command of the guide, and returns its document. Fails if the command fails.
fn run_command(machine: &Machine, command: &str) -> Result<Value> {
    let output = machine.run(&format!("timeout --signal=KILL {VERB_LIMIT} {command} --json"))?;
    documents::read(&output.stdout).with_context(|| format!("`{command}`"))
}

/// Fails unless every proof of the guide's release has passed.
fn expect_proved(report: &Value, expected: &ExpectedRelease) -> Result<()> {
    let proofs = report["proofs"].as_array().context("no proofs")?;
    let names: Vec<_> = proofs.iter().filter_map(|proof| proof["name"].as_str()).collect();
    ensure!(report["passed"] == true && names == expected.proofs && !names.is_empty(), "{report:#}");
    Ok(())
}

/// Fails unless a pod can read the model and the wheels but not change them, and can install the wheel from the site's
/// index.
fn expect_use(machine: &Machine, expected: &ExpectedRelease) -> Result<()> {
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
