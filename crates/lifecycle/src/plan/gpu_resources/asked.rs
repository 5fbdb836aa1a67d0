//! GPU devices that the pods of rendered objects request: limits of containers for resources of NVIDIA's device plugin.

use std::collections::BTreeMap;

use landfall_release_document::GPU_RESOURCES;
use serde_json::Value;

use crate::plan::objects::pod_spec;

/// Default of a Deployment's `maxSurge` and `maxUnavailable`, in percent.
const USUAL_PERCENT: u64 = 25;

/// Requested devices of one resource.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DeviceRequests {
    /// Devices of all pods together.
    pub(super) devices: u64,
    /// Devices of the container that requests the most.
    pub(super) most: u64,
    /// Devices of the pods that an update of one workload starts before it ends earlier ones, for the workload that
    /// needs the most.
    pub(super) beside: u64,
    /// Workloads that request the resource, such as `inference: Deployment/vllm`.
    pub(super) workloads: Vec<String>,
}

/// Adds the requests of the pods of a component's objects.
pub(super) fn add(all: &mut BTreeMap<String, DeviceRequests>, component: &str, objects: &[Value]) {
    for object in objects {
        let Some((spec, pods)) = pods(object) else { continue };
        for (resource, (devices, most)) in of_pod(spec) {
            let asked = all.entry(resource).or_default();
            asked.devices = asked.devices.saturating_add(devices.saturating_mul(pods));
            asked.most = asked.most.max(most);
            asked.beside = asked.beside.max(devices.saturating_mul(surge(object)));
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            asked.workloads.push(format!("{component}: {}/{}", text("/kind"), text("/metadata/name")));
        }
    }
}

/// Returns the `spec` of an object's pods and the number that run on the site's node at once; `None` for an object
/// without pods.
fn pods(object: &Value) -> Option<(&Value, u64)> {
    let count = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64).unwrap_or(1);
    let pods = match object["kind"].as_str()? {
        "Pod" | "DaemonSet" => 1,
        "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController" => count("/spec/replicas"),
        "Job" => count("/spec/parallelism"),
        "CronJob" => count("/spec/jobTemplate/spec/parallelism"),
        _ => return None,
    };
    Some((pod_spec(object)?, pods)).filter(|(_, pods)| *pods > 0)
}

/// Returns the number of pods that an update starts before it ends any. Only a Deployment that may not lack a pod does
/// so; other kinds end a pod first.
fn surge(object: &Value) -> u64 {
    let strategy = &object["spec"]["strategy"];
    if object["kind"] != "Deployment" || strategy["type"] == "Recreate" {
        return 0;
    }
    let replicas = object["spec"]["replicas"].as_u64().unwrap_or(1);
    let limit = |name: &str, round: fn(u64) -> u64| match &strategy["rollingUpdate"][name] {
        Value::Number(count) => count.as_u64().unwrap_or_default(),
        Value::String(percent) => round(replicas.saturating_mul(percent.trim_end_matches('%').parse().unwrap_or(0))),
        _ => round(replicas.saturating_mul(USUAL_PERCENT)),
    };
    if limit("maxUnavailable", |hundredths: u64| hundredths / 100) > 0 {
        return 0;
    }
    limit("maxSurge", |hundredths: u64| hundredths.div_ceil(100))
}

/// Returns the devices of a pod by resource, and those of its most demanding container. Containers run together with
/// restartable init containers; other init containers run before them, one at a time.
fn of_pod(spec: &Value) -> BTreeMap<String, (u64, u64)> {
    let listed = |list: &str| spec[list].as_array().map(Vec::as_slice).unwrap_or_default();
    let (beside, before): (Vec<&Value>, Vec<&Value>) =
        listed("initContainers").iter().partition(|container| container["restartPolicy"] == "Always");
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for container in listed("containers").iter().chain(beside) {
        for (resource, devices) in limits(container) {
            let (all, most) = found.entry(resource).or_default();
            (*all, *most) = (all.saturating_add(devices), devices.max(*most));
        }
    }
    for container in before {
        for (resource, devices) in limits(container) {
            let (all, most) = found.entry(resource).or_default();
            (*all, *most) = (devices.max(*all), devices.max(*most));
        }
    }
    found
}

/// Returns the devices in a container's limits. Amounts that are not whole numbers are skipped, because the API server
/// rejects them.
fn limits(container: &Value) -> impl Iterator<Item = (String, u64)> + '_ {
    let limits = container["resources"]["limits"].as_object().into_iter().flatten();
    limits.filter(|(name, _)| name.starts_with(GPU_RESOURCES)).filter_map(|(name, amount)| {
        let devices = amount.as_u64().or_else(|| amount.as_str()?.parse().ok())?;
        (devices > 0).then(|| (name.clone(), devices))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(objects: &[Value]) -> BTreeMap<String, DeviceRequests> {
        let mut all = BTreeMap::new();
        add(&mut all, "inference", objects);
        all
    }

    fn container(gpus: &Value) -> Value {
        json!({"name": "a", "resources": {"limits": {"memory": "1Gi", "nvidia.com/gpu": gpus}}})
    }

    #[test]
    fn pods_are_counted_per_node() {
        let template = json!({"spec": {"containers": [container(&json!(2))]}});
        let workload = |kind: &str, spec: Value| {
            let mut object = json!({"kind": kind, "metadata": {"name": "a"}, "spec": spec});
            object["spec"]["template"] = template.clone();
            object
        };
        let devices = |object: Value| of(&[object]).get("nvidia.com/gpu").map(|asked| asked.devices);
        assert_eq!(devices(workload("Deployment", json!({}))), Some(2));
        assert_eq!(devices(workload("Deployment", json!({"replicas": 3}))), Some(6));
        assert_eq!(devices(workload("StatefulSet", json!({"replicas": 0}))), None);
        assert_eq!(devices(workload("DaemonSet", json!({}))), Some(2), "one node");
        assert_eq!(devices(workload("Job", json!({"parallelism": 2}))), Some(4));
        let cron = json!({"kind": "CronJob", "metadata": {"name": "a"},
            "spec": {"jobTemplate": {"spec": {"template": template}}}});
        assert_eq!(devices(cron), Some(2));
        assert_eq!(devices(json!({"kind": "ConfigMap", "metadata": {"name": "a"}})), None);
    }

    #[test]
    fn rolling_updates_need_extra_gpus() {
        let beside = |kind: &str, replicas: u64, strategy: Value| {
            let template = json!({"spec": {"containers": [container(&json!(2))]}});
            let spec = json!({"replicas": replicas, "strategy": strategy, "template": template});
            of(&[json!({"kind": kind, "metadata": {"name": "a"}, "spec": spec})])["nvidia.com/gpu"].beside
        };
        let rolling = |surge: Value, unavailable: Value| {
            json!({"type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})
        };
        assert_eq!([1, 3, 4].map(|replicas| beside("Deployment", replicas, Value::Null)), [2, 2, 0]);
        assert_eq!(beside("Deployment", 1, json!({"type": "Recreate"})), 0);
        assert_eq!(beside("Deployment", 4, rolling(json!("50%"), json!(0))), 4);
        assert_eq!(beside("Deployment", 1, rolling(json!(0), json!(1))), 0);
        assert_eq!(beside("StatefulSet", 1, Value::Null), 0);
    }

    #[test]
    fn init_containers_count_only_the_excess() {
        let pod = |init: Value| {
            let spec = json!({"initContainers": [init], "containers": [container(&json!("1")), container(&json!(1))]});
            of(&[json!({"kind": "Pod", "metadata": {"name": "a"}, "spec": spec})])
        };
        let asked = |init: Value| (pod(init.clone())["nvidia.com/gpu"].devices, pod(init)["nvidia.com/gpu"].most);
        assert_eq!(asked(container(&json!(1))), (2, 1));
        assert_eq!(asked(container(&json!(3))), (3, 3));
        let mut beside = container(&json!(1));
        beside["restartPolicy"] = json!("Always");
        assert_eq!(asked(beside), (3, 1));
        assert_eq!(asked(container(&json!("many"))), (2, 1));
        assert_eq!(pod(json!({"name": "b"}))["nvidia.com/gpu"].workloads, ["inference: Pod/a"]);
    }
}
