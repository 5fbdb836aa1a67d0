//! A workload has no pods, so that its data can be replaced. Undo lets it run as before.

use std::time::Duration;

use landfall_cluster::ObjectName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::site::Site;
use landfall_engine::step::{Observed, Step, StepError};

/// How long pods may take to end.
const END_LIMIT: Duration = Duration::from_mins(10);

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// The workload.
    pub workload: ObjectName,
    /// Selector of its pods.
    pub pods: String,
    /// How many pods it has when it runs.
    pub replicas: u32,
}

impl Stop {
    /// Ends all pods, and returns when none can write any more.
    pub(super) fn stop(&self, site: &Site) -> Result<(), StepError> {
        let cluster = site.cluster()?;
        cluster.scale(&self.workload, 0)?;
        let namespace = self.workload.namespace.as_deref().unwrap_or_default();
        Ok(cluster.wait_for_no_pods(namespace, &self.pods, END_LIMIT)?)
    }

    pub(super) fn start(&self, site: &Site) -> Result<(), StepError> {
        Ok(site.cluster()?.scale(&self.workload, self.replicas)?)
    }
}

impl Step<Site> for Stop {
    /// Whether its pods have ended, only a wait shows.
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        Ok(match site.cluster()?.replicas(&self.workload)? {
            Some(0) => Observed::Partial("it shall have no pods".to_owned()),
            _ => Observed::Absent,
        })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        self.stop(site)?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        self.start(site)
    }
}
