//! The proofs of the new release, before its commit: one that fails undoes the upgrade.

use std::time::{Duration, Instant};

use landfall_error_codes::codes;
use landfall_media::progress::Event;
use landfall_release_document::Proof;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::proofs::{ProofResult, Prover, chosen, result};
use crate::site::Site;
use landfall_engine::step::{Observed, Step, StepError};

/// How long a proof may fail after a change. While a component is replaced, others learn that it is gone: the cluster's DNS
/// remembers for half a minute that a name had no address.
const SETTLING: Duration = Duration::from_mins(1);

/// Time between two tries.
const INTERVAL: Duration = Duration::from_secs(2);

/// Parameters of the step: none. The proofs are those of the operation's release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prove {}

/// The result of a proof once what changed has settled: one that fails is repeated for a while.
fn settled(prover: &Prover, proof: &Proof) -> ProofResult {
    let begun = Instant::now();
    loop {
        let shown = result(prover, proof);
        if shown.passed || begun.elapsed() > SETTLING {
            return shown;
        }
        std::thread::sleep(INTERVAL);
    }
}

impl Step<Site> for Prove {
    /// What was proved before a power cut says nothing of the site after it.
    fn observe(&self, _site: &mut Site) -> Result<Observed, StepError> {
        Ok(Observed::Absent)
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let prover = Prover::new(site.cluster()?, &site.release);
        let proofs = chosen(&site.release, &[]).map_err(|error| StepError::new(codes::BUG, error.to_string()))?;
        let mut results = Vec::new();
        for proof in proofs {
            site.progress.event(Event::Note(format!("proof {}: {}", proof.name, proof.shows)));
            let shown = settled(&prover, proof);
            if let Some(mismatch) = &shown.failure {
                let (expected, found) = (&mismatch.expected, &mismatch.found);
                let what = format!("the proof {} failed: expected {expected}; found {found}", shown.name);
                return Err(StepError::new(codes::UPGRADE_UNPROVED, what));
            }
            results.push(json!({"name": shown.name, "seconds": shown.seconds}));
        }
        Ok(json!({"proofs": results}))
    }

    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        Ok(())
    }
}
