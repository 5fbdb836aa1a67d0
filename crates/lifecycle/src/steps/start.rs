//! Starts the pods of a stopped workload. Undo stops it once more, so that its data can be replaced.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::stop::Stop;
use crate::site::Site;
use landfall_engine::step::{ObservedState, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Parameters with which the workload was stopped.
    pub stopped: Stop,
}

impl Step<Site> for Start {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        let replicas = site.cluster()?.replicas(&self.stopped.workload)?;
        Ok(if replicas == Some(self.stopped.replicas) { ObservedState::Done } else { ObservedState::Absent })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        self.stopped.start(site)?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        self.stopped.stop(site)
    }
}
