//! Current state of pods. After a boot, the API server returns earlier states until the kubelet and the controllers
//! have checked. A workload then counts as available although its pods do not run yet.

use std::collections::BTreeSet;

use landfall_cluster::{Cluster, ClusterError, Inventory, stale_pods};
use landfall_host::paths::SitePaths;
use serde_json::Value;

use crate::pods::is_ready;

/// Returns the IDs of the containers that run on this machine, from the runtime's folders. None of them outlives a
/// boot.
pub fn containers(paths: &SitePaths) -> BTreeSet<String> {
    let entries = fs_err::read_dir(paths.containers()).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Returns a component's pods.
pub fn pods_of(cluster: &Cluster, inventory: &Inventory) -> Result<Vec<Value>, ClusterError> {
    let names = cluster.pods_of_component(inventory)?;
    let pods = cluster.list(&cluster.resource("v1", "Pod")?, Some(&inventory.namespace), "")?;
    let is_own = |pod: &Value| names.iter().any(|name| pod["metadata"]["name"] == name.name.as_str());
    Ok(pods.into_iter().filter(is_own).collect())
}

/// Returns the names of a component's pods that are reported as running but are not, and of unready pods of workloads.
pub fn unsettled_pods(
    paths: &SitePaths,
    cluster: &Cluster,
    inventory: &Inventory,
) -> Result<Vec<String>, ClusterError> {
    let pods = pods_of(cluster, inventory)?;
    // Listed after the pods, so that a container that starts in the meantime does not seem to be missing.
    Ok(unsettled_of(&pods, &containers(paths)))
}

fn unsettled_of(pods: &[Value], containers: &BTreeSet<String>) -> Vec<String> {
    let mut names: BTreeSet<String> = stale_pods(pods, |id| containers.contains(id)).into_iter().collect();
    for pod in pods.iter().filter(|pod| is_of_workload(pod) && !is_ready(pod)) {
        let name = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
        names.insert(format!("{}/{}", name("namespace"), name("name")));
    }
    names.into_iter().collect()
}

/// Returns true if a workload keeps the pod running. A workload replaces a pod that is being deleted or has ended.
pub fn is_of_workload(pod: &Value) -> bool {
    let owners = pod["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    let kept = ["ReplicaSet", "StatefulSet", "DaemonSet"];
    let has_ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let is_kept = owners.into_iter().any(|owner| kept.iter().any(|kind| owner["kind"] == *kind));
    is_kept && !has_ended && pod["metadata"]["deletionTimestamp"].is_null()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, id: &str, ready: &str, owner: &str) -> Value {
        json!({
            "metadata": {"namespace": "shop", "name": name, "ownerReferences": [{"kind": owner}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}],
                "containerStatuses": [{"containerID": format!("containerd://{id}"), "state": {"running": {}}}]},
        })
    }

    #[test]
    fn readiness_before_boot_is_ignored() {
        let runs = BTreeSet::from(["new".to_owned()]);
        let found = |pod: Value| unsettled_of(&[pod], &runs);
        assert_eq!(found(pod("a", "new", "True", "StatefulSet")), Vec::<String>::new());
        assert_eq!(found(pod("a", "old", "True", "StatefulSet")), ["shop/a"]);
        assert_eq!(found(pod("a", "new", "False", "ReplicaSet")), ["shop/a"]);
        assert_eq!(found(pod("a", "new", "False", "Job")), Vec::<String>::new());
        let mut ended = pod("a", "new", "False", "ReplicaSet");
        ended["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(found(ended), Vec::<String>::new());
    }
}
