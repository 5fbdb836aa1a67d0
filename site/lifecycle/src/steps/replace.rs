//! What a site has already becomes something else: the parameters of both, so that undo makes the earlier one again.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::action::Action;
use super::resolve;
use crate::site::Site;
use landfall_engine::step::{Observed, Step, StepError};

/// Parameters of the step. Both actions make the same thing, with other parameters, and each makes it from whatever the
/// other one left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// As the site has it.
    pub before: Box<Action>,
    /// As it will be.
    pub after: Box<Action>,
}

impl Step<Site> for Replace {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        Ok(match resolve(&self.after).observe(site)? {
            // The earlier one is there.
            Observed::Absent => Observed::Partial("it is as it was before".to_owned()),
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
