//! Starts the pods of a stopped workload. Undo stops it once more, so that its data can be replaced.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::stop::Stop;
use crate::context::ComponentContext;
use landfall_engine::step::{ObservedState, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Parameters with which the workload was stopped.
    pub stopped: Stop,
}

impl Step<ComponentContext> for Start {
    fn observe(&self, context: &mut ComponentContext) -> Result<ObservedState, StepError> {
        let replicas = context.cluster.connect()?.replicas(&self.stopped.workload)?;
        Ok(if replicas == Some(self.stopped.replicas) { ObservedState::Done } else { ObservedState::Absent })
    }

    fn act(&self, context: &mut ComponentContext, _before: &Value) -> Result<Value, StepError> {
        self.stopped.start(&context.cluster)?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut ComponentContext, _before: &Value) -> Result<(), StepError> {
        self.stopped.stop(&context.cluster)
    }
}
