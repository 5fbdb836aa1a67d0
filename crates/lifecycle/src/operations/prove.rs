//! Runs the proofs of the installed release, one after another. Takes no lock.

use std::time::{Duration, Instant};

use landfall_cluster::Cluster;
use landfall_documents::status::SiteState;
use landfall_media::progress::Event;
use landfall_release_document::ReleaseDocument;
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::error::{OperationError, Result};
use super::status::site_state;
use landfall_site::proofs::{ProofResult, ProveError, Prover, choose_proofs, result, result_within};

/// Time for which the API server is awaited before the first proof, and for each object afterwards.
const CLUSTER_PATIENCE: Duration = Duration::from_secs(5);

/// Report of the proofs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProofReport {
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// True if every executed proof passed.
    pub passed: bool,
    /// Results of the executed proofs, in the order of the release.
    pub proofs: Vec<ProofResult>,
}

impl ProofReport {
    fn of(release: &ReleaseDocument, proofs: Vec<ProofResult>) -> Self {
        let passed = proofs.iter().all(|result| result.passed);
        Self { release: release.name.clone(), version: release.version.clone(), passed, proofs }
    }

    /// Returns the names of the failed proofs.
    pub fn failed_proofs(&self) -> impl Iterator<Item = &str> {
        self.proofs.iter().filter(|proof| !proof.passed).map(|proof| proof.name.as_str())
    }
}

impl Operations {
    /// Runs all or the named proofs of the installed release, one after another. A failed proof stops no other and is
    /// not an error: the report shows it.
    pub fn prove(&self, names: &[String]) -> Result<ProofReport> {
        let release = self.installed_release()?;
        let proofs = choose_proofs(&release, names)?;
        let mut results = Vec::new();
        if !proofs.is_empty() {
            let prover = Prover::new(self.answering_cluster()?, &release);
            for (proof, index) in proofs.iter().zip(1..) {
                let title = format!("{}: {}", proof.name, proof.shows);
                self.progress.event(Event::StepStarted { index, count: proofs.len(), title, remaining: None });
                results.push(result(&prover, proof));
            }
        }
        Ok(ProofReport::of(&release, results))
    }

    /// Runs the proofs of the installed release until a time. Returns the report of the decided proofs, and the names
    /// of the others, which neither passed nor failed.
    pub(super) fn prove_until(&self, end: Instant) -> Result<(ProofReport, Vec<String>)> {
        let release = self.installed_release()?;
        let (mut results, mut undecided) = (Vec::new(), Vec::new());
        if !release.proofs.is_empty() {
            let prover = Prover::new(self.answering_cluster()?, &release);
            for proof in &release.proofs {
                match result_within(&prover, proof, end.saturating_duration_since(Instant::now())) {
                    Some(result) => results.push(result),
                    None => undecided.push(proof.name.clone()),
                }
            }
        }
        Ok((ProofReport::of(&release, results), undecided))
    }

    /// Returns the release of this site after its install has ended.
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
            SiteState::Absent | SiteState::Unknown => return Err(ProveError::NoSite.into()),
            SiteState::Installing | SiteState::InstallInterrupted => {
                return Err(OperationError::InstallOpen { release });
            }
            SiteState::Uninstalling | SiteState::UninstallInterrupted => {
                return Err(OperationError::UninstallOpen { release });
            }
        }
        Ok(self.release_of(pins)?.release)
    }

    fn answering_cluster(&self) -> Result<Cluster> {
        let cluster = Cluster::connect(&self.paths.admin_kubeconfig()).map_err(ProveError::NoCluster)?;
        let cluster = cluster.with_patience(CLUSTER_PATIENCE);
        cluster.resource("v1", "Pod").map_err(ProveError::NoCluster)?;
        Ok(cluster)
    }
}
