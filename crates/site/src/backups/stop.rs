//! End of a workload's pods, so that its data can be replaced.

use std::time::{Duration, Instant};

use landfall_cluster::{Canaries, Cluster, ObjectName};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::place::ClusterAccess;

/// Maximum time for pods to end.
const END_LIMIT: Duration = Duration::from_mins(10);

/// Time between checks.
const INTERVAL: Duration = Duration::from_millis(300);

/// How the pods of a workload end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// The workload.
    pub workload: ObjectName,
    /// Selector of its pods.
    pub pods: String,
    /// Number of pods while the workload runs.
    pub replicas: u32,
}

impl Stop {
    /// Ends all pods. On return, none can write.
    pub fn stop(&self, cluster: &ClusterAccess) -> Result<(), StepError> {
        let cluster = cluster.connect()?;
        // Its pods may have the workload's labels and write to the same data.
        cluster.remove_canaries(Canaries::All, END_LIMIT)?;
        cluster.scale(&self.workload, 0)?;
        self.wait_for_controller(&cluster)?;
        let namespace = self.workload.namespace.as_deref().unwrap_or_default();
        Ok(cluster.wait_for_no_pods(namespace, &self.pods, END_LIMIT)?)
    }

    /// Waits for the workload's controller. Until it has seen the new number of pods, it may create one that no list
    /// shows yet.
    fn wait_for_controller(&self, cluster: &Cluster) -> Result<(), StepError> {
        let begun = Instant::now();
        while !cluster.get(&self.workload)?.is_none_or(|live| has_stopped(&live)) {
            if begun.elapsed() > END_LIMIT {
                let what = format!("{} does not stop", self.workload);
                return Err(StepError::new(codes::CLUSTER_NOT_READY, what));
            }
            std::thread::sleep(INTERVAL);
        }
        Ok(())
    }

    /// Starts as many pods as before.
    pub fn start(&self, cluster: &ClusterAccess) -> Result<(), StepError> {
        Ok(cluster.connect()?.scale(&self.workload, self.replicas)?)
    }
}

/// Returns true if a workload's controller has seen its latest change and counts no pods.
fn has_stopped(live: &Value) -> bool {
    let is_seen = live["status"]["observedGeneration"].as_i64() >= live["metadata"]["generation"].as_i64();
    is_seen && live["status"]["replicas"].as_u64().unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn workload_stops_once_controller_agrees() {
        let live = |generation: i64, observed: i64, replicas: Value| {
            let status = json!({"observedGeneration": observed, "replicas": replicas});
            json!({"metadata": {"generation": generation}, "status": status})
        };
        assert!(has_stopped(&live(2, 2, json!(0))) && has_stopped(&live(2, 2, Value::Null)));
        assert!(!has_stopped(&live(2, 1, json!(0))) && !has_stopped(&live(2, 2, json!(1))));
    }
}
