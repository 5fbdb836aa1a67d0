//! A step that does nothing going forward. On undo, it follows the component's undo and waits until the component is
//! ready again.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::component_ready::ComponentReady;
use super::objects::DELETION_SECONDS;
use crate::context::Site;
use landfall_cluster::Inventory;
use landfall_engine::step::{ObservedState, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadyAgain {
    /// The earlier component and its time limit.
    pub ready: ComponentReady,
}

impl Step<Site> for ReadyAgain {
    fn observe(&self, _site: &mut Site) -> Result<ObservedState, StepError> {
        Ok(ObservedState::Done)
    }

    fn act(&self, _site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, before: &Value) -> Result<(), StepError> {
        let cluster = site.cluster.connect()?;
        if let Some(inventory) = Inventory::read(&cluster, &self.ready.namespace, &self.ready.component)? {
            // Pods that never became ready block the earlier ones, and Kubernetes does not remove them.
            cluster.delete_stuck_pods(&inventory, Duration::from_secs(DELETION_SECONDS))?;
        }
        self.ready.act(site, before).map(drop)
    }
}
