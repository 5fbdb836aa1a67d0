//! Ends all pods of a workload, so that its data can be replaced. Undo starts it as before.

use landfall_engine::step::{ObservedState, Step, StepError};
use serde_json::Value;

pub use landfall_site::backups::Stop;

use crate::context::ComponentContext;

impl Step<ComponentContext> for Stop {
    /// Only a wait shows whether its pods have ended.
    fn observe(&self, context: &mut ComponentContext) -> Result<ObservedState, StepError> {
        Ok(match context.cluster.connect()?.replicas(&self.workload)? {
            Some(0) => ObservedState::Partial("its pods may still be ending".to_owned()),
            _ => ObservedState::Absent,
        })
    }

    fn act(&self, context: &mut ComponentContext, _before: &Value) -> Result<Value, StepError> {
        self.stop(&context.cluster)?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut ComponentContext, _before: &Value) -> Result<(), StepError> {
        self.start(&context.cluster)
    }
}
