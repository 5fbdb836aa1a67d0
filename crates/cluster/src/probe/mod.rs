//! Probe of the nodes of an existing cluster: a pod on each node prints facts, in a throw-away namespace. Nothing else
//! in the cluster is changed.

mod pod;
mod state;

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use crate::connection::Call;
use crate::drill::TEMPORARY_LABEL;
use crate::labels::{is_managed, manager_of};
use crate::{Cluster, ClusterError, ObjectName};

pub use pod::ProbePod;
pub use state::{PodState, pod_state};

/// Value of [`TEMPORARY_LABEL`] for a probe, in its own namespace.
pub const PROBE: &str = "probe";

/// Name of the container in a probe's pod.
const CONTAINER: &str = "facts";

/// Time limit for the account of a new namespace, which pods require.
const ACCOUNT_LIMIT: Duration = Duration::from_secs(30);

/// Delay between attempts.
const INTERVAL: Duration = Duration::from_millis(250);

impl Cluster {
    /// Creates the namespace of a probe, under a unique name.
    pub fn make_probe(&self, namespace: &str) -> Result<(), ClusterError> {
        match self.create(&pod::namespace(namespace)) {
            Err(error) if exists(&error) => {
                let name = namespace_name(namespace);
                self.get(&name)?.map_or(Ok(()), |live| check_is_probe(&name, &live))
            }
            made => made,
        }
    }

    /// Creates a pod of a probe.
    pub fn make_probe_pod(&self, pod: &ProbePod<'_>) -> Result<(), ClusterError> {
        let begun = Instant::now();
        loop {
            match self.create(&pod.object()) {
                Err(error) if exists(&error) => return Ok(()),
                Err(error) if lacks_account(&error) && begun.elapsed() < ACCOUNT_LIMIT => {
                    std::thread::sleep(INTERVAL);
                }
                made => return made,
            }
        }
    }

    /// Lists the pods of a probe.
    pub fn probe_pods(&self, namespace: &str) -> Result<Vec<Value>, ClusterError> {
        self.list(&self.resource("v1", "Pod")?, Some(namespace), "")
    }

    /// Reads the log of a probe's pod, up to this many bytes.
    pub fn probe_log(&self, namespace: &str, pod: &str, bytes: usize) -> Result<String, ClusterError> {
        let name = pod_name(namespace, pod);
        self.call(&Call {
            method: Method::GET,
            path: format!("{}/log?container={CONTAINER}&limitBytes={bytes}", self.path(&name)?),
            content_type: "",
            body: Vec::new(),
            verb: "read the log of",
            what: &name,
        })
    }

    /// Deletes a pod of a probe without waiting for its kubelet, which may be dead. A missing pod is not an error.
    pub fn delete_probe_pod(&self, namespace: &str, pod: &str) -> Result<(), ClusterError> {
        let name = pod_name(namespace, pod);
        let body = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0});
        let deleted = self.call(&Call {
            method: Method::DELETE,
            path: self.path(&name)?,
            content_type: "application/json",
            body: body.to_string().into_bytes(),
            verb: "delete",
            what: &name,
        });
        match deleted {
            Err(ClusterError::Refused { status, .. }) if status.code == 404 => Ok(()),
            deleted => deleted.map(drop),
        }
    }

    /// Deletes the namespace of a probe with everything in it, and waits until it is gone. A missing namespace is not
    /// an error; one that is not a probe's is [`ClusterError::Foreign`], and is not changed.
    pub fn delete_probe(&self, namespace: &str, limit: Duration) -> Result<(), ClusterError> {
        let name = namespace_name(namespace);
        let Some(live) = self.get(&name)? else { return Ok(()) };
        check_is_probe(&name, &live)?;
        // A namespace waits for its pods, and those wait for their kubelets.
        for pod in self.probe_pods(namespace)? {
            self.delete_probe_pod(namespace, pod["metadata"]["name"].as_str().unwrap_or_default())?;
        }
        self.delete(&name, limit).map(drop)
    }
}

fn namespace_name(namespace: &str) -> ObjectName {
    ObjectName::new("v1", "Namespace", "", namespace)
}

fn pod_name(namespace: &str, pod: &str) -> ObjectName {
    ObjectName::new("v1", "Pod", namespace, pod)
}

/// Returns true if the API server refused a creation because the object exists.
fn exists(error: &ClusterError) -> bool {
    matches!(error, ClusterError::Refused { status, .. } if status.reason == "AlreadyExists")
}

/// Returns true if a pod was refused because the controller has not yet created the account of its namespace.
fn lacks_account(error: &ClusterError) -> bool {
    matches!(error, ClusterError::Refused { status, .. } if status.message.contains("error looking up service account"))
}

fn check_is_probe(name: &ObjectName, live: &Value) -> Result<(), ClusterError> {
    if is_managed(live) && live["metadata"]["labels"][TEMPORARY_LABEL] == PROBE {
        return Ok(());
    }
    Err(ClusterError::Foreign { object: name.clone().into(), manager: manager_of(live) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::DRILL;

    #[test]
    fn only_probe_namespaces_are_touched() {
        let name = namespace_name("landfall-probe-1");
        let mut live = pod::namespace("landfall-probe-1");
        assert!(check_is_probe(&name, &live).is_ok());
        live["metadata"]["labels"][TEMPORARY_LABEL] = json!(DRILL);
        assert!(matches!(check_is_probe(&name, &live), Err(ClusterError::Foreign { .. })));
        let unlabeled = json!({"metadata": {"name": "landfall-probe-1"}});
        assert!(matches!(check_is_probe(&name, &unlabeled), Err(ClusterError::Foreign { .. })));
    }
}
