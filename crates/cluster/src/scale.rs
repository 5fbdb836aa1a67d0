//! Number of pods of a workload, and the wait for all of them to stop.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::connection::{Call, parse};
use super::labels::FIELD_MANAGER;
use super::retry::Failure;
use super::{Cluster, ClusterError, ObjectName};

/// Polling interval.
const INTERVAL: Duration = Duration::from_millis(300);

impl Cluster {
    /// Returns the desired number of pods of a workload; `None` if the workload does not exist. A kind without a
    /// replica count, such as `DaemonSet`, counts as not existing.
    pub fn replicas(&self, workload: &ObjectName) -> Result<Option<u32>, ClusterError> {
        let path = match self.path(workload) {
            Err(ClusterError::UnknownKind { .. }) => return Ok(None),
            path => format!("{}/scale", path?),
        };
        let what = format!("the replicas of {workload}");
        let call = Call { method: Method::GET, path, content_type: "", body: Vec::new(), verb: "read", what: &what };
        match self.attempt(&call) {
            // An API server omits a zero count.
            Ok(text) => Ok(Some(wanted_replicas(&parse(&call, &text)?))),
            Err(given_up) => match given_up.failure {
                Failure::Status(status) if status.code == 404 => Ok(None),
                _ => Err(self.error(&call, given_up)),
            },
        }
    }

    /// Sets the desired number of pods of a workload and returns without waiting for them. The API server has written
    /// it to etcd. A later [`Cluster::apply`] may set another number.
    pub fn scale(&self, workload: &ObjectName, replicas: u32) -> Result<(), ClusterError> {
        let what = format!("{workload} to {replicas} replicas");
        let call = Call {
            method: Method::PATCH,
            path: format!("{}/scale?fieldManager={FIELD_MANAGER}&fieldValidation=Strict", self.path(workload)?),
            content_type: "application/merge-patch+json",
            body: json!({"spec": {"replicas": replicas}}).to_string().into_bytes(),
            verb: "scale",
            what: &what,
        };
        self.call(&call).map(drop)
    }

    /// Waits until no pod of a namespace that matches a label selector (empty for all) can still write: each is gone or
    /// has ended permanently. Pods of jobs are ignored, because a migration may carry its database's labels, and waits
    /// for the database. A remaining pod is [`ClusterError::NotDeleted`].
    pub fn wait_for_no_pods(&self, namespace: &str, labels: &str, limit: Duration) -> Result<(), ClusterError> {
        let kind = self.resource("v1", "Pod")?;
        let begun = Instant::now();
        loop {
            let pods = self.list(&kind, Some(namespace), labels)?;
            let Some(pod) = pods.iter().find(|pod| !has_ended(pod) && !is_of_job(pod)) else { return Ok(()) };
            if begun.elapsed() > limit {
                return Err(ClusterError::NotDeleted {
                    object: ObjectName::of(pod)?.into(),
                    seconds: begun.elapsed().as_secs(),
                    finalizers: Vec::new(),
                });
            }
            std::thread::sleep(INTERVAL);
        }
    }
}

fn wanted_replicas(scale: &Value) -> u32 {
    scale["spec"]["replicas"].as_u64().and_then(|replicas| u32::try_from(replicas).ok()).unwrap_or(0)
}

/// Returns true if a job owns the pod.
fn is_of_job(pod: &Value) -> bool {
    let owners = pod["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    owners.filter(|owner| owner["controller"] == true).any(|owner| owner["kind"] == "Job")
}

/// Returns true if all containers of a pod have ended and none will restart. Such a pod may remain indefinitely: an
/// evicted one is deleted only with its workload.
fn has_ended(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_pod_is_not_awaited() {
        let pod = |phase: &str| json!({"metadata": {"name": "web-0"}, "status": {"phase": phase}});
        assert!(has_ended(&pod("Failed")) && has_ended(&pod("Succeeded")));
        assert!(!has_ended(&pod("Running")) && !has_ended(&pod("Pending")) && !has_ended(&pod("Unknown")));
        assert!(!has_ended(&json!({"metadata": {"name": "new"}})));
    }

    #[test]
    fn job_pod_is_recognized_by_controller() {
        let pod = |kind: &str, controller: Value| {
            json!({"metadata": {"ownerReferences": [{"kind": kind,
            "controller": controller}]}})
        };
        assert!(is_of_job(&pod("Job", json!(true))));
        assert!(!is_of_job(&pod("StatefulSet", json!(true))) && !is_of_job(&pod("Job", Value::Null)));
        assert!(!is_of_job(&json!({"metadata": {}})));
    }

    #[test]
    fn omitted_replicas_mean_zero() {
        assert_eq!(wanted_replicas(&json!({"kind": "Scale", "spec": {}})), 0);
        assert_eq!(wanted_replicas(&json!({"kind": "Scale", "spec": {"replicas": 3}, "status": {"replicas": 1}})), 3);
    }
}
