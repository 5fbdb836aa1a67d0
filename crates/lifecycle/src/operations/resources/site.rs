//! Current CPU and memory usage of nodes and all pods of a site, by component, as measured by the kubelets.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use landfall_cluster::Inventory;
use landfall_engine::step::StepError;
use landfall_kinds::amount::{parse_whole, thousandths};
use landfall_peer::{Amounts, PodResources};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::pods;
use super::{OBJECTS_LIMIT, STATISTICS_LIMIT, Statistics, statistics_of};
use crate::operations::Operations;
use crate::operations::administration::known_inventory;
use crate::operations::error::Result;

/// Nanocores per millicore; the kubelet measures in nanocores.
const NANO: u64 = 1_000_000;

/// Resource usage of a site. An absent figure was not measured; zero is a measured figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SiteUse {
    /// Time of measurement, RFC 3339 in UTC.
    pub at: String,
    /// Usage of the nodes.
    pub nodes: Vec<NodeUse>,
    /// Usage of the components by name, and of Kubernetes itself at the end.
    pub components: Vec<ComponentUse>,
    /// Reasons why figures are missing, for a person.
    pub notes: Vec<String>,
}

/// Capacity of a node, and usage of everything on it, including the host's own programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeUse {
    /// Name of the node.
    pub node: String,
    /// CPU capacity in thousandths of a core.
    pub cpu_millicores: Option<u64>,
    /// CPU usage in thousandths of a core.
    pub cpu_used_millicores: Option<u64>,
    /// Memory capacity in bytes.
    pub memory_bytes: Option<u64>,
    /// Memory in use that the kernel could not reclaim, in bytes.
    pub memory_used_bytes: Option<u64>,
}

/// Resource usage of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentUse {
    /// Name of the component; null for Kubernetes itself.
    pub component: Option<String>,
    /// Sum over the containers of all pods that have not ended.
    pub total: Amounts,
    /// Pods of the component, by namespace and name.
    pub pods: Vec<PodResources>,
}

impl Operations {
    /// Returns the current usage of the site's nodes and pods, or of the pods of one component. Changes nothing.
    pub fn site_use(&self, component: Option<&str>) -> Result<SiteUse> {
        let cluster = self.cluster_within(OBJECTS_LIMIT)?;
        let mut inventories = Inventory::all(&cluster).map_err(StepError::from)?;
        if let Some(component) = component {
            inventories = vec![known_inventory(&inventories, component)?.clone()];
        }
        inventories.sort_by(|one, other| one.owner.component.cmp(&other.owner.component));
        let list = |kind: &str| cluster.resource("v1", kind).and_then(|kind| cluster.list(&kind, None, ""));
        let (nodes, all) = (list("Node").map_err(StepError::from)?, list("Pod").map_err(StepError::from)?);
        let mut owned = Vec::new();
        for inventory in &inventories {
            let pods = cluster.live_pods_of_component(inventory).map_err(StepError::from)?;
            owned.push((Some(inventory.owner.component.clone()), pods));
        }
        if component.is_none() {
            owned.push((None, others(all, &owned)));
        }
        let names: BTreeSet<&str> = nodes.iter().map(name).collect();
        let asked = cluster.within(STATISTICS_LIMIT).with_patience(Duration::ZERO);
        Ok(SiteUse::of(&nodes, owned, statistics_of(&asked, names)))
    }
}

type ComponentPods = (Option<String>, Vec<Value>);

/// Returns the pods that belong to no component.
fn others(mut all: Vec<Value>, owned: &[ComponentPods]) -> Vec<Value> {
    let uids: BTreeSet<&str> = owned.iter().flat_map(|(_, pods)| pods).filter_map(uid).collect();
    all.retain(|pod| uid(pod).is_none_or(|uid| !uids.contains(uid)));
    all
}

fn uid(pod: &Value) -> Option<&str> {
    pod["metadata"]["uid"].as_str()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

impl SiteUse {
    fn of(nodes: &[Value], owned: Vec<ComponentPods>, (summaries, gaps): Statistics) -> Self {
        let read = |pod: &Value| {
            let summary = pod["spec"]["nodeName"].as_str().and_then(|name| summaries.get(name));
            pods::of_pod(pod, summary.and_then(|known| pods::find_measurements(known, pod)))
        };
        let components = owned.into_iter().map(|(component, pods)| {
            let mut pods: Vec<_> = pods.iter().map(read).collect();
            pods.sort_by(|one, other| (&one.namespace, &one.pod).cmp(&(&other.namespace, &other.pod)));
            ComponentUse { component, total: pods::total(&pods), pods }
        });
        Self {
            at: format!("{:.0}", Timestamp::now()),
            nodes: nodes.iter().map(|one| NodeUse::of(one, summaries.get(name(one)))).collect(),
            components: components.collect(),
            notes: gaps,
        }
    }
}

impl NodeUse {
    fn of(node: &Value, summary: Option<&Value>) -> Self {
        let has = |resource: &str| node["status"]["capacity"][resource].as_str();
        let used = |pointer: &str| summary.and_then(|summary| summary.pointer(pointer)).and_then(Value::as_u64);
        Self {
            node: name(node).to_owned(),
            cpu_millicores: has("cpu").and_then(thousandths),
            cpu_used_millicores: used("/node/cpu/usageNanoCores").map(|nano| nano.div_ceil(NANO)),
            memory_bytes: has("memory").and_then(parse_whole),
            memory_used_bytes: used("/node/memory/workingSetBytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn pod(name: &str) -> Value {
        json!({
            "metadata": {"namespace": "shop", "name": name, "uid": name},
            "spec": {"nodeName": "node-1", "containers": [{"name": "main"}]},
            "status": {"phase": "Running", "containerStatuses": [{"name": "main", "state": {"running": {}}}]},
        })
    }

    fn statistics() -> Statistics {
        let used = |name: &str, nano: u64| {
            let container =
                json!({"name": "main", "cpu": {"usageNanoCores": nano}, "memory": {"workingSetBytes": 1024}});
            json!({"podRef": {"uid": name}, "containers": [container]})
        };
        let node = json!({"cpu": {"usageNanoCores": 1_500_000_000_u64}, "memory": {"workingSetBytes": 4096}});
        let summary = json!({"node": node, "pods": [used("web-0", 250_000_000), used("coredns", 3_000_000)]});
        (BTreeMap::from([("node-1".to_owned(), summary)]), Vec::new())
    }

    fn node(name: &str) -> Value {
        json!({"metadata": {"name": name}, "status": {"capacity": {"cpu": "4", "memory": "8Gi"}}})
    }

    #[test]
    fn use_is_counted_per_component_and_node() {
        let owned = vec![(Some("web".to_owned()), vec![pod("web-0")])];
        let rest = others(vec![pod("coredns"), pod("web-0")], &owned);
        let owned = owned.into_iter().chain([(None, rest)]).collect();
        let found = SiteUse::of(&[node("node-1"), node("node-2")], owned, statistics());
        let used: Vec<_> = found
            .components
            .iter()
            .map(|one| (one.component.as_deref(), one.pods.len(), one.total.cpu_used_millicores))
            .collect();
        assert_eq!(used, [(Some("web"), 1, Some(250)), (None, 1, Some(3))]);
        let [first, silent] = &found.nodes[..] else { panic!("{found:?}") };
        assert_eq!((first.cpu_used_millicores, first.memory_used_bytes), (Some(1500), Some(4096)));
        assert_eq!((first.cpu_millicores, first.memory_bytes), (Some(4000), Some(8 << 30)));
        assert_eq!((silent.cpu_used_millicores, silent.memory_used_bytes), (None, None), "it did not answer");
    }
}
