//! Replaces an existing resource. The step holds the parameters of both forms, so undo restores the earlier one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::action::Action;
use super::resolve;
use crate::context::Site;
use landfall_engine::step::{ObservedState, Step, StepError};

/// Parameters of the step. Both actions make the same resource with different parameters, and each can start from the
/// other's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// Current form of the resource.
    pub before: Box<Action>,
    /// New form of the resource.
    pub after: Box<Action>,
}

impl Step<Site> for Replace {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        Ok(match resolve(&self.after).observe(site)? {
            // The earlier form exists.
            ObservedState::Absent => ObservedState::Partial("it is as it was before".to_owned()),
            observed => observed,
        })
    }

    fn prepare(&self, site: &mut Site) -> Result<Value, StepError> {
        resolve(&self.after).prepare(site)
    }

    fn act(&self, site: &mut Site, before: &Value) -> Result<Value, StepError> {
        resolve(&self.after).act(site, before)
    }

    fn rescue(&self, site: &mut Site, before: &Value) -> Result<(), StepError> {
        if self.before.is_read_by_starting_pods() { self.undo(site, before) } else { Ok(()) }
    }

    fn undo(&self, site: &mut Site, before: &Value) -> Result<(), StepError> {
        resolve(&self.before.on_the_way_back_from(&self.after)).act(site, before).map(drop)
    }
}
