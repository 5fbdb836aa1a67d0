//! Waits until everything of a component's inventory is ready.

use std::time::Duration;

use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::site::Site;
use landfall_cluster::{Inventory, Waiting};
use landfall_engine::step::{Observed, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentReady {
    /// Name of the component.
    pub component: String,
    /// Namespace of its inventory.
    pub namespace: String,
    /// Seconds until the component counts as failed.
    pub seconds: u64,
}

impl Step<Site> for ComponentReady {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        let cluster = site.cluster()?;
        let Some(inventory) = Inventory::read(&cluster, &self.namespace, &self.component)? else {
            return Ok(Observed::Absent);
        };
        let status = cluster.component_status(&inventory)?;
        Ok(match status.reasons.first() {
            None => Observed::Done,
            Some(reason) => Observed::Partial(format!("{} of {} are ready; {reason}", status.ready, status.total)),
        })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let cluster = site.cluster()?;
        let inventory = Inventory::read(&cluster, &self.namespace, &self.component)?.ok_or_else(|| {
            StepError::new(
                codes::CLUSTER_NOT_READY,
                format!("component {} has no inventory: it was never applied", self.component),
            )
        })?;
        let waiting = Waiting {
            what: &format!("component {}", self.component),
            objects: &inventory.objects,
            limit: Duration::from_secs(self.seconds),
        };
        cluster.wait_ready(&waiting, site.progress.as_ref())?;
        Ok(json!({"objects": waiting.objects.len()}))
    }

    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        Ok(())
    }
}
