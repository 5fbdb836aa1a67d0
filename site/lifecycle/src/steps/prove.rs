//! The proofs of the new release, before its commit: one that fails undoes the upgrade.

use landfall_error_codes::codes;
use landfall_media::progress::Event;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::proofs::{Prover, chosen, result};
use crate::site::Site;
use landfall_engine::step::{Observed, Step, StepError};

/// Parameters of the step: none. The proofs are those of the operation's release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prove {}

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
            let shown = result(&prover, proof);
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
