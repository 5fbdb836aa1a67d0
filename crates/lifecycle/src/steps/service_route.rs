//! The route to the cluster's services over loopback: adds and removes it.

use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::range::IpRange;
use landfall_host::service_route::ServiceRoute;
use serde_json::{Value, json};

use crate::context::NodeContext;

impl Step<NodeContext> for ServiceRoute {
    fn observe(&self, _context: &mut NodeContext) -> Result<ObservedState, StepError> {
        Ok(match self.present()?.len() {
            0 => ObservedState::Absent,
            all if all == self.ranges.len() => ObservedState::Done,
            some => ObservedState::Partial(format!("{some} of {} routes exist", self.ranges.len())),
        })
    }

    fn prepare(&self, _context: &mut NodeContext) -> Result<Value, StepError> {
        Ok(json!({ "present": self.present()? }))
    }

    fn act(&self, _context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        self.add()?;
        Ok(Value::Null)
    }

    fn undo(&self, _context: &mut NodeContext, before: &Value) -> Result<(), StepError> {
        let before: Vec<IpRange> = serde_json::from_value(before["present"].clone()).unwrap_or_default();
        self.remove(&before)
    }
}
