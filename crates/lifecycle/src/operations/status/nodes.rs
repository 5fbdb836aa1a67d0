//! Nodes, and reasons why a node is not ready although the API server reports it as ready.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use landfall_documents::status::{ComponentStatus, NodeStatus};
use serde_json::Value;

use landfall_cluster as cluster;
use landfall_cluster::ready;
use landfall_cluster::ready::Readiness;

/// Namespace of Kubernetes' own pods, which no component lists.
const SYSTEM_NAMESPACE: &str = "kube-system";

/// Returns the status of a node, as the API server reports it.
pub(super) fn node_status(node: &Value) -> NodeStatus {
    let text = |pointer: &str| node.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |pointer: &str| node.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let conditions = list("/status/conditions");
    let is_pressure = |condition: &&Value| {
        condition["status"] == "True" && condition["type"].as_str().is_some_and(|kind| kind.ends_with("Pressure"))
    };
    let pressures = conditions.iter().filter(is_pressure).filter_map(|condition| condition["type"].as_str());
    let pressures: Vec<_> = pressures.map(str::to_owned).collect();
    let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready");
    let is_ready = ready.as_ref().is_some_and(|condition| condition["status"] == "True");
    let message = ready.map_or("the kubelet has not reported yet".to_owned(), |condition| {
        condition["message"].as_str().unwrap_or_default().to_owned()
    });
    let addresses = list("/status/addresses");
    let internal = addresses.iter().find(|address| address["type"] == "InternalIP");
    NodeStatus {
        name: text("/metadata/name"),
        address: internal.and_then(|address| address["address"].as_str()).unwrap_or_default().to_owned(),
        kubernetes: text("/status/nodeInfo/kubeletVersion"),
        ready: is_ready && pressures.is_empty(),
        reason: match (is_ready, pressures.is_empty()) {
            (false, _) => Some(message),
            (true, false) => Some(format!("the kubelet reports {}", pressures.join(", "))),
            (true, true) => None,
        },
        pressures,
    }
}

fn mark_not_ready(node: &mut NodeStatus, reason: String) {
    node.ready = false;
    node.reason = Some(reason);
}

/// Maximum age of a kubelet's lease, which it renews every 10 s. Kubernetes itself waits 40 s or more until it no
/// longer reports pods as ready.
const LEASE_LIMIT: SignedDuration = SignedDuration::from_secs(25);

/// Namespace of kubelets' leases.
const LEASE_NAMESPACE: &str = "kube-node-lease";

/// Further observations that may contradict the reported status of nodes and components.
pub(super) struct Observations {
    /// All pods.
    pub(super) pods: Vec<Value>,
    /// All leases, including those of kubelets.
    pub(super) leases: Vec<Value>,
    /// IDs of the containers that run on this machine.
    pub(super) containers: BTreeSet<String>,
    /// The current time.
    pub(super) now: Timestamp,
}

/// Marks nodes as not ready because of their pods, against their own status. This applies to pods that the kubelet has
/// not checked since the machine started. It also applies to unready pods of Kubernetes or a component without another
/// reason. After a boot, workloads count as available until their controllers check again. The last reports of a
/// kubelet that has ended are outdated, for its node and for the components.
pub(super) fn doubt(nodes: &mut [NodeStatus], components: &mut [ComponentStatus], observed: &Observations) {
    let pods = &observed.pods;
    let stale = cluster::stale_pods(pods, |id| observed.containers.contains(id));
    for component in components.iter_mut() {
        let of_component = |pod: &&String| pod.split('/').next() == Some(component.namespace.as_str());
        let not_started: Vec<&str> = stale.iter().filter(of_component).map(String::as_str).collect();
        if !not_started.is_empty() {
            let reason = format!("these pods have not started again yet: {}", not_started.join(", "));
            distrust(component, reason);
        }
    }
    let unready = unready(components, pods);
    // There is only one node, which is this machine.
    for node in nodes.iter_mut() {
        if let Some(silence) = silence(&node.name, observed) {
            mark_not_ready(node, format!("its kubelet has not reported for {} s", silence.as_secs()));
            for component in components.iter_mut() {
                let seconds = silence.as_secs();
                distrust(component, format!("the kubelet that runs its pods has not reported for {seconds} s"));
            }
        } else if node.ready && !stale.is_empty() {
            mark_not_ready(node, format!("these pods have not started again yet: {}", stale.join(", ")));
        } else if node.ready && !unready.is_empty() {
            mark_not_ready(node, format!("these pods are not ready: {}", unready.join("; ")));
        }
    }
}

/// Marks all objects of a component as not ready, because the cluster's information is outdated.
fn distrust(component: &mut ComponentStatus, reason: String) {
    component.ready = 0;
    component.reasons.push(reason);
}

/// Returns the time since a node's kubelet renewed its lease, if that is too long.
fn silence(node: &str, observed: &Observations) -> Option<SignedDuration> {
    let is_of_node =
        |lease: &&Value| lease["metadata"]["namespace"] == LEASE_NAMESPACE && lease["metadata"]["name"] == node;
    let lease = observed.leases.iter().find(is_of_node)?;
    let renewed: Timestamp = lease.pointer("/spec/renewTime")?.as_str()?.parse().ok()?;
    Some(observed.now.duration_since(renewed)).filter(|silence| *silence > LEASE_LIMIT)
}

/// Returns pods that should run and are not ready, each with its reason. Pods in the namespace of a component that
/// reports its own reasons are skipped.
fn unready(components: &[ComponentStatus], pods: &[Value]) -> Vec<String> {
    let explained: BTreeSet<_> =
        components.iter().filter(|one| !one.reasons.is_empty()).map(|one| one.namespace.as_str()).collect();
    let own = components.iter().map(|component| component.namespace.as_str()).chain([SYSTEM_NAMESPACE]);
    let wanted: BTreeSet<_> = own.filter(|namespace| !explained.contains(namespace)).collect();
    let reason = |pod: &Value| {
        let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let is_over = pod.pointer("/metadata/deletionTimestamp").is_some() || text("/status/phase") == "Failed";
        if is_over || !wanted.contains(text("/metadata/namespace")) {
            return None;
        }
        let name = format!("{}/{}", text("/metadata/namespace"), text("/metadata/name"));
        match ready::evaluate(pod) {
            Readiness::Ready => None,
            Readiness::InProgress(reason) | Readiness::Failed(reason) => Some(format!("{name}: {reason}")),
        }
    };
    pods.iter().filter_map(reason).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use landfall_host::paths::SitePaths;
    use landfall_site::settled::containers;

    fn pod(namespace: &str, name: &str, phase: &str, ready: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": namespace, "name": name},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]},
        })
    }

    fn component(namespace: &str, reasons: &[&str]) -> ComponentStatus {
        ComponentStatus {
            component: namespace.to_owned(),
            namespace: namespace.to_owned(),
            release: "starter".to_owned(),
            ready: 1,
            total: 1,
            reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
        }
    }

    /// Returns empty observations at the current time.
    fn empty_observations() -> Observations {
        Observations { pods: Vec::new(), leases: Vec::new(), containers: BTreeSet::new(), now: Timestamp::now() }
    }

    fn node() -> NodeStatus {
        node_status(&json!({
            "metadata": {"name": "node-1"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }))
    }

    #[test]
    fn node_under_pressure_is_not_ready() {
        let node = |conditions: &[(&str, &str)]| {
            let conditions: Vec<_> = conditions
                .iter()
                .map(|(kind, status)| json!({"type": kind, "status": status, "message": "m"}))
                .collect();
            node_status(&json!({"metadata": {"name": "node-1"}, "status": {"conditions": conditions}}))
        };
        let fine = node(&[("Ready", "True"), ("DiskPressure", "False"), ("MemoryPressure", "Unknown")]);
        assert!(fine.ready && fine.pressures.is_empty() && fine.reason.is_none());
        let full = node(&[("Ready", "True"), ("DiskPressure", "True"), ("PIDPressure", "True")]);
        assert_eq!(
            (full.ready, full.reason.as_deref()),
            (false, Some("the kubelet reports DiskPressure, PIDPressure"))
        );
        let both = node(&[("Ready", "False"), ("DiskPressure", "True")]);
        assert_eq!((both.ready, both.reason.as_deref()), (false, Some("m")));
        assert_eq!(both.pressures, ["DiskPressure"]);
    }

    #[test]
    fn failed_system_pod_makes_node_unready() {
        let doubted = |pods: &[Value]| {
            let mut nodes = [node()];
            let mut components = [component("shop", &[]), component("bank", &["the teller is ill"])];
            let observed = Observations { pods: pods.to_vec(), ..empty_observations() };
            doubt(&mut nodes, &mut components, &observed);
            nodes[0].reason.clone()
        };
        for fine in [
            pod("shop", "front", "Running", "True"),
            pod("shop", "done", "Succeeded", "False"),
            pod("shop", "evicted", "Failed", "False"),
            pod("bank", "teller", "Pending", "False"),
            pod("foreign", "toy", "Pending", "False"),
        ] {
            assert_eq!(doubted(&[fine]), None);
        }
        let unready =
            [pod("shop", "front", "Running", "False"), pod("kube-system", "kube-proxy-abcde", "Pending", "False")];
        let told = "these pods are not ready: shop/front: it is Running; kube-system/kube-proxy-abcde: it is Pending";
        assert_eq!(doubted(&unready).as_deref(), Some(told));
        let mut going = unready[0].clone();
        going["metadata"]["deletionTimestamp"] = json!("2026-11-20T09:00:00Z");
        assert_eq!(doubted(&[going]), None);
    }
    /// Returns a lease of the node that was renewed this many seconds before `now`.
    fn lease(now: Timestamp, seconds: i64) -> Value {
        let renewed = now - SignedDuration::from_secs(seconds);
        json!({
            "metadata": {"namespace": "kube-node-lease", "name": "node-1"},
            "spec": {"renewTime": renewed.to_string()},
        })
    }

    #[test]
    fn silent_kubelet_makes_everything_unready() {
        let now = Timestamp::now();
        let doubted = |seconds: i64| {
            let (mut nodes, mut components) = ([node()], [component("shop", &[])]);
            doubt(
                &mut nodes,
                &mut components,
                &Observations { leases: vec![lease(now, seconds)], now, ..empty_observations() },
            );
            let [node] = nodes;
            let [component] = components;
            (node.ready, component.ready, node.reason, component.reasons)
        };
        // A clock that was set back makes the age meaningless.
        for fresh in [-3600, 0, 12, 25] {
            assert_eq!(doubted(fresh), (true, 1, None, Vec::new()));
        }
        let (node_ready, ready, node_reason, reasons) = doubted(103);
        assert!(!node_ready && ready == 0);
        assert_eq!(node_reason.as_deref(), Some("its kubelet has not reported for 103 s"));
        assert_eq!(reasons, ["the kubelet that runs its pods has not reported for 103 s"]);
    }

    #[test]
    fn component_waits_for_pods_after_boot() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        assert_eq!(containers(&paths), BTreeSet::new());
        let mut running = pod("shop", "front", "Running", "True");
        running["status"]["containerStatuses"] =
            json!([{"containerID": "containerd://one", "state": {"running": {"startedAt": "2001-01-01T00:00:00Z"}}}]);
        let doubted = || {
            let (mut nodes, mut components) = ([node()], [component("shop", &[]), component("bank", &[])]);
            let found =
                Observations { pods: vec![running.clone()], containers: containers(&paths), ..empty_observations() };
            doubt(&mut nodes, &mut components, &found);
            let [shop, bank] = components;
            (nodes[0].ready, shop.ready, bank.ready, shop.reasons)
        };
        let reason = "these pods have not started again yet: shop/front".to_owned();
        assert_eq!(doubted(), (false, 0, 1, vec![reason]));
        // The age under a changed clock does not matter.
        landfall_media::durable::create_folder(&paths.containers().join("one")).unwrap();
        assert_eq!(doubted(), (true, 1, 1, Vec::new()));
    }
}
