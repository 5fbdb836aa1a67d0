//! A step that does nothing going forward. On undo, after the undo of all later steps, it re-runs an action of the
//! earlier release.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::action::Action;
use super::resolve;
use crate::context::Site;
use landfall_engine::step::{ObservedState, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunAgain {
    /// The action of the earlier release.
    pub before: Box<Action>,
}

impl Step<Site> for RunAgain {
    fn observe(&self, _site: &mut Site) -> Result<ObservedState, StepError> {
        Ok(ObservedState::Done)
    }

    fn act(&self, _site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, before: &Value) -> Result<(), StepError> {
        resolve(&self.before).act(&mut site.as_it_was()?, before).map(drop)
    }
}
