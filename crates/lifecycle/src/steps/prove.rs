//! Runs the proofs of the new release before its commit. A failed proof undoes the upgrade.

use std::time::{Duration, Instant};

use landfall_error_codes::codes;
use landfall_media::progress::Event;
use landfall_release_document::Proof;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::ComponentContext;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_site::proofs::{Mismatch, ProofResult, Prover, choose_proofs, result};

/// Time for which a proof may fail after a change. While a component is replaced, others cache its absence: the
/// cluster's DNS caches for half a minute that a name had no address.
const SETTLING: Duration = Duration::from_mins(1);

/// Time between two attempts.
const INTERVAL: Duration = Duration::from_secs(2);

/// Parameters of the step: none. The operation's release declares the proofs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prove {}

/// Returns the result of a proof after the change has settled: a failed proof is repeated for a while.
fn settled_result(prover: &Prover, proof: &Proof) -> ProofResult {
    let begun = Instant::now();
    loop {
        let shown = result(prover, proof);
        if shown.passed || begun.elapsed() > SETTLING {
            return shown;
        }
        std::thread::sleep(INTERVAL);
    }
}

/// Fails if a proof failed, which undoes the upgrade.
fn refuse_failed(shown: &ProofResult) -> Result<(), StepError> {
    let Some(Mismatch { expected, found }) = &shown.failure else { return Ok(()) };
    let what = format!("the proof {} failed: expected {expected}; found {found}", shown.name);
    Err(StepError::new(codes::UPGRADE_UNPROVED, what))
}

impl Step<ComponentContext> for Prove {
    /// Proofs from before a power cut say nothing about the site after it.
    fn observe(&self, _context: &mut ComponentContext) -> Result<ObservedState, StepError> {
        Ok(ObservedState::Absent)
    }

    fn act(&self, context: &mut ComponentContext, _before: &Value) -> Result<Value, StepError> {
        let prover = Prover::new(context.cluster.connect()?, &context.releases.own.release);
        let proofs = choose_proofs(&context.releases.own.release, &[])
            .map_err(|error| StepError::new(codes::BUG, error.to_string()))?;
        let mut results = Vec::new();
        for proof in proofs {
            context.progress.event(Event::Note(format!("proof {}: {}", proof.name, proof.shows)));
            let shown = settled_result(&prover, proof);
            refuse_failed(&shown)?;
            results.push(json!({"name": shown.name, "seconds": shown.seconds}));
        }
        Ok(json!({"proofs": results}))
    }

    fn undo(&self, _context: &mut ComponentContext, _before: &Value) -> Result<(), StepError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError;

    use super::*;

    #[test]
    fn failed_proof_refuses_upgrade() {
        let failure = Mismatch { expected: "exit code 0".to_owned(), found: "exit code 1".to_owned() };
        let passed = ProofResult {
            name: "rows".to_owned(),
            component: "db".to_owned(),
            shows: "Rows are read".to_owned(),
            passed: true,
            seconds: 1.0,
            asked: None,
            failure: None,
        };
        refuse_failed(&passed).unwrap();
        let error = refuse_failed(&ProofResult { passed: false, failure: Some(failure), ..passed }).unwrap_err();
        assert_eq!(error.code(), codes::UPGRADE_UNPROVED);
        assert_eq!(error.to_string(), "the proof rows failed: expected exit code 0; found exit code 1");
    }
}
