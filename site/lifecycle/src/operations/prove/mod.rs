//! Proofs: what a release declares to show that it is of use is done on this site, and judged. Changes nothing but what the
//! proofs themselves change; takes no lock.

mod error;
mod judge;
#[cfg(test)]
mod tests;
mod trial;

use std::time::{Duration, Instant};

use landfall_cluster::Cluster;
use landfall_media::progress::Event;
use landfall_release_document::{Proof, ReleaseDocument};
use schemars::JsonSchema;
use serde::Serialize;

pub use error::ProveError;
pub use judge::Mismatch;

use super::Operations;
use super::bundle::TrustedRelease;
use super::error::{OperationError, Result};
use super::status::{SiteState, site_state};
use super::trust::Trust;
use trial::Prover;

/// How long the API server is waited for before the first proof, and asked for each object afterwards.
const CLUSTER_PATIENCE: Duration = Duration::from_secs(5);

/// What came of the proofs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProofReport {
    /// Name of the release.
    pub release: String,
    /// Its version.
    pub version: String,
    /// Whether every proof passed that was run.
    pub passed: bool,
    /// The proofs that were run, in the order of the release.
    pub proofs: Vec<ProofResult>,
}

impl ProofReport {
    /// Names of the proofs that failed.
    pub fn failed(&self) -> impl Iterator<Item = &str> {
        self.proofs.iter().filter(|proof| !proof.passed).map(|proof| proof.name.as_str())
    }
}

/// What came of one proof.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProofResult {
    /// Name of the proof.
    pub name: String,
    /// Its component.
    pub component: String,
    /// What a pass shows.
    pub shows: String,
    /// Whether it passed.
    pub passed: bool,
    /// Seconds that it took.
    pub seconds: f64,
    /// Who was asked: a container, or an address. None where the cluster has neither.
    pub asked: Option<String>,
    /// What was expected and what came instead.
    pub failure: Option<Mismatch>,
}

impl Operations {
    /// Runs the proofs of the installed release, all of them or those that are named, one after the other. A proof that
    /// fails stops no other, and is no error: the report says so.
    pub fn prove(&self, names: &[String]) -> Result<ProofReport> {
        let release = self.installed_release()?;
        let proofs = chosen(&release, names)?;
        let mut results = Vec::new();
        if !proofs.is_empty() {
            let prover = Prover::new(self.answering_cluster()?, &release);
            for (proof, index) in proofs.iter().zip(1..) {
                let title = format!("{}: {}", proof.name, proof.shows);
                self.progress.event(Event::StepStarted { index, count: proofs.len(), title, remaining: None });
                results.push(result(&prover, proof));
            }
        }
        Ok(ProofReport {
            release: release.name.clone(),
            version: release.version.clone(),
            passed: results.iter().all(|result| result.passed),
            proofs: results,
        })
    }

    /// The release of this site, once its install has ended.
    fn installed_release(&self) -> Result<std::sync::Arc<ReleaseDocument>> {
        let Some(past) = self.deciding()? else {
            self.check_not_missing()?;
            return Err(ProveError::NoSite.into());
        };
        let pins = past.pins().ok_or(ProveError::NoSite)?;
        let release = past.release();
        match site_state(Some(past.position()), false) {
            SiteState::Installed => {}
            SiteState::Changing | SiteState::ChangeInterrupted => return Err(OperationError::ChangeOpen { release }),
            SiteState::Absent => return Err(ProveError::NoSite.into()),
            SiteState::Installing | SiteState::InstallInterrupted => {
                return Err(OperationError::InstallOpen { release });
            }
            SiteState::Uninstalling | SiteState::UninstallInterrupted => {
                return Err(OperationError::UninstallOpen { release });
            }
        }
        Ok(TrustedRelease::read(&self.head_file(pins.bundle), &Trust::pinned(&pins.trust))?.release)
    }

    fn answering_cluster(&self) -> Result<Cluster> {
        let cluster = Cluster::connect(&self.paths.admin_kubeconfig()).map_err(ProveError::NoCluster)?;
        let cluster = cluster.with_patience(CLUSTER_PATIENCE);
        cluster.resource("v1", "Pod").map_err(ProveError::NoCluster)?;
        Ok(cluster)
    }
}

/// The proofs that are named, or all of them, in the order of the release.
fn chosen<'a>(release: &'a ReleaseDocument, names: &[String]) -> Result<Vec<&'a Proof>, ProveError> {
    let proofs = &release.proofs;
    if let Some(unknown) = names.iter().find(|name| proofs.iter().all(|proof| proof.name != **name)) {
        return Err(ProveError::Unknown {
            name: unknown.clone(),
            release: format!("{} {}", release.name, release.version),
            known: proofs.iter().map(|proof| proof.name.clone()).collect(),
        });
    }
    Ok(proofs.iter().filter(|proof| names.is_empty() || names.contains(&proof.name)).collect())
}

fn result(prover: &Prover, proof: &Proof) -> ProofResult {
    let begun = Instant::now();
    let done = prover.prove(proof);
    ProofResult {
        name: proof.name.clone(),
        component: proof.component.clone(),
        shows: proof.shows.clone(),
        passed: done.verdict.is_ok(),
        seconds: (begun.elapsed().as_secs_f64() * 100.0).round() / 100.0,
        asked: done.asked,
        failure: done.verdict.err(),
    }
}
