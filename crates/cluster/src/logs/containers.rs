//! Containers of a component's pods whose logs can be read.

use serde_json::Value;

use crate::{Cluster, ClusterError, Inventory};

/// A pod with its containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodContainers {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Its containers in the order of the pod, init containers first.
    pub containers: Vec<PodContainer>,
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodContainer {
    /// Name of the container.
    pub name: String,
    /// True if it ran before and that run's log is kept.
    pub has_previous: bool,
}

impl Cluster {
    /// Returns the pods of a component with their containers, by namespace and name.
    pub fn containers_of_component(&self, inventory: &Inventory) -> Result<Vec<PodContainers>, ClusterError> {
        Ok(self.live_pods_of_component(inventory)?.iter().map(of_pod).collect())
    }
}

fn of_pod(pod: &Value) -> PodContainers {
    let text = |name: &str| pod["metadata"][name].as_str().unwrap_or_default().to_owned();
    let listed = |list: &str| pod["spec"][list].as_array().into_iter().flatten();
    let names = listed("initContainers").chain(listed("containers")).filter_map(|one| one["name"].as_str());
    let containers = names.map(|name| PodContainer { name: name.to_owned(), has_previous: has_previous(pod, name) });
    PodContainers { namespace: text("namespace"), pod: text("name"), containers: containers.collect() }
}

fn has_previous(pod: &Value, container: &str) -> bool {
    let lists = ["containerStatuses", "initContainerStatuses"].map(|list| pod["status"][list].as_array());
    let mut statuses = lists.into_iter().flatten().flatten().filter(|status| status["name"] == container);
    statuses.any(|status| status["lastState"]["terminated"].is_object())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn containers_show_earlier_runs() {
        let pod = json!({
            "metadata": {"namespace": "shop", "name": "db-0"},
            "spec": {"initContainers": [{"name": "prepare"}], "containers": [{"name": "db"}, {"name": "metrics"}]},
            "status": {
                "initContainerStatuses": [{"name": "prepare", "lastState": {}}],
                "containerStatuses": [
                    {"name": "db", "state": {"waiting": {}}, "lastState": {"terminated": {"exitCode": 1}}},
                    {"name": "metrics", "lastState": {}},
                ],
            },
        });
        let found = of_pod(&pod);
        let containers: Vec<_> = found.containers.iter().map(|one| (one.name.as_str(), one.has_previous)).collect();
        assert_eq!((found.namespace.as_str(), found.pod.as_str()), ("shop", "db-0"));
        assert_eq!(containers, [("prepare", false), ("db", true), ("metrics", false)]);
        assert!(of_pod(&json!({})).containers.is_empty());
    }
}
