//! The end of the guide: a person at the site types its commands, on a machine that has nothing but the stick.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use landfall_tests::documents;
use landfall_tests::proofs::{Expected, administered, expect_ready, in_pod};
use landfall_tests::site::{Machine, MachineSpec, Site};
use serde_json::Value;

use crate::end_to_end::engineer::{Engineer, VERB_LIMIT};

/// Where the guide leaves the fingerprint of the letter out.
const LETTER: &str = "sha256:…";

/// Where the chart's pods are, and how kubectl finds one of them.
const NAMESPACE: &str = "hello";
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
    expect_turns(&machine)?;
    engineer.uninstall_all()?;
    engineer.expect_unchanged("after the guide and an uninstall", &["/var/log/landfall"])?;
    ensure!(engineer.status()?["verdict"] == "absent", "status still sees something");
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

/// The chart's hooks ran when Helm runs them: one before the pods, and two after one another.
fn expect_turns(machine: &Machine) -> Result<()> {
    let read = |kinds: &str| -> Result<Value> {
        let said = administered(machine, &format!("kubectl --namespace {NAMESPACE} get {kinds} --output json"))?;
        serde_json::from_str(&said).with_context(|| format!("{kinds}: {said}"))
    };
    let jobs = read("jobs")?;
    let time = |name: &str, field: &str| -> Result<String> {
        let beginning = format!("{NAMESPACE}-{name}-");
        let is_meant = |job: &&Value| job["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(&beginning));
        let job = jobs["items"].as_array().into_iter().flatten().find(is_meant);
        let time = job.and_then(|job| job["status"][field].as_str());
        Ok(time.with_context(|| format!("{name} has no {field}: {jobs:#}"))?.to_owned())
    };
    let created = read("deployment/hello")?["metadata"]["creationTimestamp"].as_str().context("no time")?.to_owned();
    let [prepared, first, second] =
        [time("prepare", "completionTime")?, time("first", "completionTime")?, time("second", "startTime")?];
    // Times of one form are in the order of their letters.
    let is_in_turn = prepared <= created && created <= first && first <= second;
    ensure!(is_in_turn, "the hooks ran out of turn: {prepared}, pods {created}, {first}, {second}");
    time("second", "completionTime").map(drop)
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
