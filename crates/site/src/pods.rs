//! Choice of a workload's pod for proofs, backups and checks of restored data.

use landfall_cluster::{CANARY_LABEL, Cluster, ClusterError, ObjectName, selector};
use landfall_release_document::Workload;
use serde_json::Value;

/// A running container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Namespace of its pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub name: String,
}

/// Reason why a workload has no usable container.
#[derive(Debug, thiserror::Error)]
pub enum NoContainer {
    /// The cluster did not answer.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The workload or container does not exist.
    #[error("{0}")]
    Missing(String),
    /// None of its pods is ready yet.
    #[error("{0} has no ready pod")]
    NotReady(Workload),
}

/// Returns the name of a workload's object.
pub fn object_name(namespace: &str, workload: &Workload) -> ObjectName {
    ObjectName::new("apps/v1", workload.kind.name(), namespace, &workload.name)
}

/// Returns the named or first container of a ready pod of the workload. Canary pods are excluded, whatever their
/// labels.
pub fn ready_container(
    cluster: &Cluster,
    namespace: &str,
    workload: &Workload,
    container: Option<&str>,
) -> Result<Container, NoContainer> {
    let name = object_name(namespace, workload);
    let found = cluster.get(&name)?.ok_or_else(|| NoContainer::Missing(format!("{name} does not exist")))?;
    let selector = [selector(&found["spec"]["selector"]), format!("!{CANARY_LABEL}")];
    let selector = selector.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(",");
    let pods = cluster.list(&cluster.resource("v1", "Pod")?, Some(namespace), &selector)?;
    let pod = pods.iter().find(|pod| is_ready(pod)).ok_or_else(|| NoContainer::NotReady(workload.clone()))?;
    let names = pod["spec"]["containers"].as_array().into_iter().flatten();
    let found = names
        .filter_map(|one| one["name"].as_str())
        .find(|name| container.is_none_or(|wanted| *name == wanted))
        .ok_or_else(|| NoContainer::Missing("the pod has no such container".to_owned()))?;
    Ok(Container {
        namespace: namespace.to_owned(),
        pod: pod["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
        name: found.to_owned(),
    })
}

/// Returns true if a pod serves and is not being deleted.
pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let is_ready = conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
    is_ready && pod["metadata"]["deletionTimestamp"].is_null()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ready_pods_must_remain() {
        let pod = |ready: &str, deleted: Value| {
            json!({ "metadata": { "deletionTimestamp": deleted },
                "status": { "conditions": [{ "type": "Ready", "status": ready }] } })
        };
        assert!(is_ready(&pod("True", Value::Null)));
        assert!(!is_ready(&pod("False", Value::Null)) && !is_ready(&json!({})));
        assert!(!is_ready(&pod("True", json!("2026-01-01T00:00:00Z"))));
    }
}
