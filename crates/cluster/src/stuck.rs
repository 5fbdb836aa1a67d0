//! Stuck pods, which a `StatefulSet` never replaces.
//!
//! With its usual order, a `StatefulSet` whose template changed waits for each pod to become ready before it replaces
//! the next. A pod that never became ready therefore stays, even if the new template would fix it. Kubernetes documents
//! this and expects an administrator to delete the pod ("forced rollback").

use std::time::{Duration, Instant};

use serde_json::Value;

use super::ready;
use super::status::is_owned_by;
use super::{Cluster, ClusterError, Inventory, ObjectName, selector};

/// Label with the template revision of a pod.
const REVISION_LABEL: &str = "controller-revision-hash";

/// Label with a pod's index in its `StatefulSet`.
const INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";

/// Polling interval.
const INTERVAL: Duration = Duration::from_millis(300);

impl Cluster {
    /// Deletes the pods of a component's `StatefulSet`s that have an earlier template and are not ready, so that their
    /// controller recreates them from the latest one. Returns their names, without waiting for the new ones.
    ///
    /// First waits until the controllers have seen the latest templates; fails if that takes longer than the limit.
    /// Pods that an update strategy leaves to a user are left alone.
    pub fn delete_stuck_pods(&self, inventory: &Inventory, limit: Duration) -> Result<Vec<ObjectName>, ClusterError> {
        let begun = Instant::now();
        let mut deleted = Vec::new();
        for object in inventory.objects.iter().filter(|object| is_stateful_set(object)) {
            let left = limit.saturating_sub(begun.elapsed());
            let Some(live) = self.seen_by_its_controller(object, left)? else { continue };
            let namespace = object.namespace.as_deref();
            let pods = self.list(&self.resource("v1", "Pod")?, namespace, &selector(&live["spec"]["selector"]))?;
            for pod in pods.iter().filter(|pod| is_stuck(&live, pod)) {
                let name = ObjectName::of(pod)?;
                self.request_deletion(&name, pod, "Background")?;
                deleted.push(name);
            }
        }
        Ok(deleted)
    }

    /// Returns a workload once its controller has seen its latest change; `None` if it does not exist.
    fn seen_by_its_controller(&self, object: &ObjectName, limit: Duration) -> Result<Option<Value>, ClusterError> {
        let begun = Instant::now();
        loop {
            let Some(live) = self.get(object)? else { return Ok(None) };
            if is_seen(&live) {
                return Ok(Some(live));
            }
            if begun.elapsed() >= limit {
                return Err(ClusterError::NotReady {
                    what: object.to_string(),
                    seconds: begun.elapsed().as_secs(),
                    reasons: "its controller has not seen its latest change yet".to_owned(),
                });
            }
            std::thread::sleep(INTERVAL);
        }
    }
}

fn is_stateful_set(object: &ObjectName) -> bool {
    (object.group(), object.kind.as_str()) == ("apps", "StatefulSet")
}

fn is_seen(live: &Value) -> bool {
    let seen = live.pointer("/status/observedGeneration").and_then(Value::as_i64);
    seen.is_some() && seen >= live.pointer("/metadata/generation").and_then(Value::as_i64)
}

/// Returns true if a pod of this `StatefulSet` waits for a deletion that will never happen.
fn is_stuck(live: &Value, pod: &Value) -> bool {
    let strategy = &live["spec"]["updateStrategy"];
    let (Some(latest), Some(own)) =
        (live["status"]["updateRevision"].as_str(), pod["metadata"]["labels"][REVISION_LABEL].as_str())
    else {
        return false;
    };
    let is_updated = strategy["type"] != "OnDelete"
        && index(pod).is_some_and(|index| index >= strategy["rollingUpdate"]["partition"].as_u64().unwrap_or(0));
    let is_deleted = pod["metadata"].get("deletionTimestamp").is_some();
    is_owned_by(pod, live) && is_updated && own != latest && !is_deleted && !ready::evaluate(pod).is_ready()
}

/// Returns a pod's index: the number at the end of its name, which the label repeats.
fn index(pod: &Value) -> Option<u64> {
    let label = pod["metadata"]["labels"][INDEX_LABEL].as_str();
    let name = pod["metadata"]["name"].as_str().and_then(|name| name.rsplit_once('-')).map(|(_, index)| index);
    label.or(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live(strategy: &Value) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "uid": "1", "generation": 4},
            "spec": {"updateStrategy": strategy}, "status": {"observedGeneration": 4, "updateRevision": "db-new"},
        })
    }

    fn pod(name: &str, revision: &str, ready: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": {REVISION_LABEL: revision}, "ownerReferences": [{"uid": "1"}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
        })
    }

    #[test]
    fn outdated_unready_pod_is_stuck() {
        let rolling = live(&json!({"type": "RollingUpdate"}));
        assert!(is_stuck(&rolling, &pod("db-0", "db-old", "False")));
        assert!(!is_stuck(&rolling, &pod("db-0", "db-new", "False")), "it is new");
        assert!(!is_stuck(&rolling, &pod("db-0", "db-old", "True")), "its controller replaces it");
        let mut foreign = pod("db-0", "db-old", "False");
        foreign["metadata"]["ownerReferences"] = json!([{"uid": "2"}]);
        assert!(!is_stuck(&rolling, &foreign), "of another owner with the same labels");
        let mut deleted = pod("db-0", "db-old", "False");
        deleted["metadata"]["deletionTimestamp"] = json!("2026-11-20T08:00:00Z");
        assert!(!is_stuck(&rolling, &deleted));
    }

    #[test]
    fn pods_outside_update_are_not_stuck() {
        let by_hand = live(&json!({"type": "OnDelete"}));
        assert!(!is_stuck(&by_hand, &pod("db-0", "db-old", "False")));
        let upper = live(&json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}));
        assert!(!is_stuck(&upper, &pod("db-1", "db-old", "False")));
        assert!(is_stuck(&upper, &pod("db-2", "db-old", "False")));
        assert!(is_stuck(&upper, &pod("db-10", "db-old", "False")), "not by its text");
    }

    #[test]
    fn revision_counts_once_template_is_seen() {
        let mut changed = live(&json!({}));
        assert!(is_seen(&changed));
        changed["metadata"]["generation"] = json!(5);
        assert!(!is_seen(&changed));
        changed["status"] = json!({});
        assert!(!is_seen(&changed), "it was never looked at");
    }
}
