//! Nodes, and what makes one not ready although the API server says that it is.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use landfall_cluster as cluster;
use landfall_cluster::ready::Readiness;
use landfall_cluster::{ComponentStatus, ready};

/// Where Kubernetes' own pods run, which no component lists.
const SYSTEM_NAMESPACE: &str = "kube-system";

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Version of its kubelet.
    pub kubernetes: String,
    /// Whether it is ready, and the pods on it that belong to Kubernetes or to the release.
    pub ready: bool,
    /// Why it is not.
    pub reason: Option<String>,
}

impl NodeStatus {
    pub(super) fn of(node: &Value) -> Self {
        let text = |pointer: &str| node.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let list = |pointer: &str| node.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
        let ready = list("/status/conditions").into_iter().find(|condition| condition["type"] == "Ready");
        let is_ready = ready.as_ref().is_some_and(|condition| condition["status"] == "True");
        let message = ready.map_or("the kubelet has not reported yet".to_owned(), |condition| {
            condition["message"].as_str().unwrap_or_default().to_owned()
        });
        let addresses = list("/status/addresses");
        let internal = addresses.iter().find(|address| address["type"] == "InternalIP");
        Self {
            name: text("/metadata/name"),
            address: internal.and_then(|address| address["address"].as_str()).unwrap_or_default().to_owned(),
            kubernetes: text("/status/nodeInfo/kubeletVersion"),
            ready: is_ready,
            reason: (!is_ready).then_some(message),
        }
    }

    fn is_not_ready(&mut self, reason: String) {
        self.ready = false;
        self.reason = Some(reason);
    }
}

/// Pods make a node not ready, whatever it says itself: those that the kubelet has not looked at since the machine
/// started, and those of Kubernetes or of a component that are not ready while nothing else says so. After a boot
/// workloads count as available until their controllers look again.
pub(super) fn doubt(nodes: &mut [NodeStatus], components: &[ComponentStatus], pods: &[Value]) {
    let stale = cluster::machine_started(Path::new("/proc")).map_or_else(Vec::new, |at| cluster::stale_pods(pods, at));
    let unready = unready(components, pods);
    // There is one node, and this is it.
    for node in nodes.iter_mut().filter(|node| node.ready) {
        if !stale.is_empty() {
            node.is_not_ready(format!("the machine has started, and not yet these pods: {}", stale.join(", ")));
        } else if !unready.is_empty() {
            node.is_not_ready(format!("these pods are not ready: {}", unready.join("; ")));
        }
    }
}

/// Pods that should run and are not ready, each with its reason. Those in the namespace of a component that tells its own
/// reasons are told there.
fn unready(components: &[ComponentStatus], pods: &[Value]) -> Vec<String> {
    let explained: BTreeSet<_> =
        components.iter().filter(|one| !one.reasons.is_empty()).map(|one| one.namespace.as_str()).collect();
    let ours = components.iter().map(|component| component.namespace.as_str()).chain([SYSTEM_NAMESPACE]);
    let wanted: BTreeSet<_> = ours.filter(|namespace| !explained.contains(namespace)).collect();
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

    fn node() -> NodeStatus {
        NodeStatus::of(&json!({
            "metadata": {"name": "node-1"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }))
    }

    #[test]
    fn a_pod_that_does_not_run_makes_its_node_not_ready() {
        let components = [component("shop", &[]), component("bank", &["the teller is ill"])];
        let doubted = |pods: &[Value]| {
            let mut nodes = [node()];
            doubt(&mut nodes, &components, pods);
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
}
