//! After the commit of a restore: the data that it replaced is removed.

use landfall_host::mounts;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::set_aside::SetAside;
use crate::site::Site;
use landfall_engine::step::{Observed, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveAside {
    /// What was set aside.
    pub data: SetAside,
}

impl Step<Site> for RemoveAside {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        Ok(if self.data.aside(site).exists() { Observed::Absent } else { Observed::Done })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        mounts::remove_tree(&self.data.aside(site))?;
        Ok(Value::Null)
    }

    /// What follows a commit is never undone.
    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        Ok(())
    }
}
