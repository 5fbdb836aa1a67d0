//! Proofs: runs and judges the tests that a release declares for a site. Changes nothing except the proofs' own
//! effects.

mod canary;
mod error;
pub mod judge;
#[cfg(test)]
mod tests;
mod trial;

use std::time::{Duration, Instant};

use landfall_release_document::{Proof, ReleaseDocument};
use schemars::JsonSchema;
use serde::Serialize;

pub use canary::CanaryPod;
pub use error::ProveError;
pub use judge::Mismatch;
pub use trial::Prover;

/// Result of one proof.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProofResult {
    /// Name of the proof.
    pub name: String,
    /// Component of the proof.
    pub component: String,
    /// Property that a pass demonstrates.
    pub shows: String,
    /// True if the proof passed.
    pub passed: bool,
    /// Duration in seconds.
    pub seconds: f64,
    /// Tested container or address; null if the cluster has neither.
    pub asked: Option<String>,
    /// Expected and actual result.
    pub failure: Option<Mismatch>,
}

/// Returns the named or all proofs, in the order of the release.
pub fn choose_proofs<'a>(release: &'a ReleaseDocument, names: &[String]) -> Result<Vec<&'a Proof>, ProveError> {
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

/// Runs one proof and returns its result.
pub fn result(prover: &Prover, proof: &Proof) -> ProofResult {
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

/// Runs a proof for at most `left`. Returns `None` if that is shorter than the proof's limit and ends before the proof
/// passes or fails.
pub fn result_within(prover: &Prover, proof: &Proof, left: Duration) -> Option<ProofResult> {
    let limit = left.as_secs().min(proof.limit_seconds);
    if limit == 0 {
        return None;
    }
    let begun = Instant::now();
    let result = result(prover, &Proof { limit_seconds: limit, ..proof.clone() });
    let ran_out = begun.elapsed() + trial::INTERVAL >= Duration::from_secs(limit);
    let is_undecided = !result.passed && ran_out && limit < proof.limit_seconds;
    (!is_undecided).then_some(result)
}
