//! Before something changes: nothing to do on the way forward. On the way back it comes after the undo of what follows it, and
//! does again what the earlier release needs then.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::action::Action;
use super::resolve;
use crate::site::Site;
use landfall_engine::step::{Observed, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Again {
    /// As the earlier release has it.
    pub before: Box<Action>,
}

impl Step<Site> for Again {
    fn observe(&self, _site: &mut Site) -> Result<Observed, StepError> {
        Ok(Observed::Done)
    }

    fn act(&self, _site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, before: &Value) -> Result<(), StepError> {
        resolve(&self.before).act(&mut site.as_it_was()?, before).map(drop)
    }
}
