//! Run times of a chart's hook Jobs. Timestamps of one format sort alphabetically.

use anyhow::{Context, Result, ensure};
use landfall_xtask::proofs::admin_output;
use landfall_xtask::site::Machine;
use serde_json::Value;

use super::at_site::NAMESPACE;

/// Run times of one version's Jobs: one before the pods, and two after them, one after another.
#[derive(Debug)]
pub(super) struct Turns {
    began: String,
    prepared: String,
    first: String,
    second: String,
    ended: String,
}

impl Turns {
    /// Reads the times of a version, as named in the Jobs. Fails if Jobs of another version remain.
    pub(super) fn read(machine: &Machine, version: &str) -> Result<Self> {
        let jobs = read(machine, "jobs")?;
        let jobs = jobs["items"].as_array().context("no list of Jobs")?;
        ensure!(jobs.len() == 3, "there are {} Jobs in place of those of {version}: {jobs:#?}", jobs.len());
        let time = |name: &str, field: &str| -> Result<String> {
            let name = format!("{NAMESPACE}-{name}-{version}");
            let job = jobs.iter().find(|job| job["metadata"]["name"] == name.as_str());
            let time = job.and_then(|job| job["status"][field].as_str());
            Ok(time.with_context(|| format!("{name} has no {field}: {jobs:#?}"))?.to_owned())
        };
        let turns = Self {
            began: time("prepare", "startTime")?,
            prepared: time("prepare", "completionTime")?,
            first: time("first", "completionTime")?,
            second: time("second", "startTime")?,
            ended: time("second", "completionTime")?,
        };
        let is_in_turn = turns.prepared <= turns.first && turns.first <= turns.second;
        ensure!(is_in_turn, "Jobs of {version} ran out of turn: {turns:?}");
        Ok(turns)
    }

    /// Fails unless the pods were created between the first Job and the later ones.
    pub(super) fn expect_around(&self, created: &str) -> Result<()> {
        let is_between = self.prepared.as_str() <= created && created <= self.first.as_str();
        ensure!(is_between, "the pods were made at {created}, and Jobs ran as {self:?}");
        Ok(())
    }

    /// Fails unless all Jobs ran after those of another version.
    pub(super) fn expect_after(&self, earlier: &Self) -> Result<()> {
        ensure!(earlier.ended <= self.began, "Jobs ran as {self:?}, before those of {earlier:?} had ended");
        Ok(())
    }
}

/// Returns the creation time of the chart's workload.
pub(super) fn creation_time(machine: &Machine) -> Result<String> {
    let deployment = read(machine, "deployment/hello")?;
    Ok(deployment["metadata"]["creationTimestamp"].as_str().context("the workload has no time")?.to_owned())
}

fn read(machine: &Machine, kinds: &str) -> Result<Value> {
    let said = admin_output(machine, &format!("kubectl --namespace {NAMESPACE} get {kinds} --output json"))?;
    serde_json::from_str(&said).with_context(|| format!("{kinds}: {said}"))
}
