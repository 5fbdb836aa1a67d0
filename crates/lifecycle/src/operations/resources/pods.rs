//! Requests of pods from their specification, and their usage as measured by the kubelet.

use landfall_kinds::amount::{parse_whole, thousandths};
use landfall_peer::{Amounts, ContainerResources, PodResources};
use serde_json::Value;

/// Nanocores per millicore; the kubelet measures in nanocores.
const NANO: u64 = 1_000_000;

/// Returns the kubelet's measurements of a pod; `None` if it does not know the pod yet.
pub(super) fn find_measurements<'s>(summary: &'s Value, pod: &Value) -> Option<&'s Value> {
    let uid = pod.pointer("/metadata/uid").and_then(Value::as_str)?;
    items(&summary["pods"]).find(|entry| entry["podRef"]["uid"] == uid)
}

/// Returns a pod with its containers.
pub(super) fn of_pod(pod: &Value, measured: Option<&Value>) -> PodResources {
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str);
    let node = text("/spec/nodeName").filter(|node| !node.is_empty());
    PodResources {
        namespace: text("/metadata/namespace").unwrap_or_default().to_owned(),
        pod: text("/metadata/name").unwrap_or_default().to_owned(),
        phase: text("/status/phase").unwrap_or("Unknown").to_owned(),
        node: node.map(str::to_owned),
        containers: lasting(pod).map(|container| of_container(container, pod, measured)).collect(),
    }
}

/// Returns the containers that run as long as the pod, without ordinary init containers.
fn lasting(pod: &Value) -> impl Iterator<Item = &Value> {
    let beside = items(&pod["spec"]["initContainers"]).filter(|container| container["restartPolicy"] == "Always");
    items(&pod["spec"]["containers"]).chain(beside)
}

fn of_container(container: &Value, pod: &Value, measured: Option<&Value>) -> ContainerResources {
    let name = container["name"].as_str().unwrap_or_default();
    let is_it = |entry: &&Value| entry["name"] == name;
    let mut statuses = items(&pod["status"]["containerStatuses"]).chain(items(&pod["status"]["initContainerStatuses"]));
    let status = statuses.find(is_it);
    let running = status.is_some_and(|status| status["state"]["running"].is_object());
    // The kubelet may still have the last figures of an ended container.
    let measured = measured.filter(|_| running).and_then(|entry| items(&entry["containers"]).find(is_it));
    let figure = |pointer: &str| measured.and_then(|entry| entry.pointer(pointer)).and_then(Value::as_u64);
    let asked = |part: &str, resource: &str| container["resources"][part][resource].as_str();
    ContainerResources {
        container: name.to_owned(),
        image: container["image"].as_str().unwrap_or_default().to_owned(),
        running,
        restarts: status.and_then(|status| status["restartCount"].as_u64()),
        amounts: Amounts {
            cpu_requested_millicores: asked("requests", "cpu").and_then(thousandths),
            cpu_limit_millicores: asked("limits", "cpu").and_then(thousandths),
            cpu_used_millicores: figure("/cpu/usageNanoCores").map(|nano| nano.div_ceil(NANO)),
            memory_requested_bytes: asked("requests", "memory").and_then(parse_whole),
            memory_limit_bytes: asked("limits", "memory").and_then(parse_whole),
            memory_used_bytes: figure("/memory/workingSetBytes"),
        },
    }
}

/// Sums the containers of all pods that have not ended. A limit is set only if every container has one, and usage only
/// if every running container was measured. A partial sum would look like the total.
pub(super) fn total(pods: &[PodResources]) -> Amounts {
    let lasting = || pods.iter().filter(|pod| !pod.has_ended()).flat_map(|pod| &pod.containers);
    let all = || lasting().map(|container| container.amounts);
    let running = || lasting().filter(|container| container.running).map(|container| container.amounts);
    Amounts {
        cpu_requested_millicores: sum_known(all().map(|amounts| amounts.cpu_requested_millicores)),
        cpu_limit_millicores: complete(all().map(|amounts| amounts.cpu_limit_millicores)),
        cpu_used_millicores: complete(running().map(|amounts| amounts.cpu_used_millicores)),
        memory_requested_bytes: sum_known(all().map(|amounts| amounts.memory_requested_bytes)),
        memory_limit_bytes: complete(all().map(|amounts| amounts.memory_limit_bytes)),
        memory_used_bytes: complete(running().map(|amounts| amounts.memory_used_bytes)),
    }
}

/// Returns the sum of figures; `None` if one is missing or there are none.
pub(super) fn complete(figures: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    let figures: Vec<u64> = figures.collect::<Option<_>>()?;
    sum_known(figures.into_iter().map(Some))
}

/// Returns the sum of the existing figures; `None` if there are none.
fn sum_known(figures: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    figures.flatten().reduce(u64::saturating_add)
}

pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn pod() -> Value {
        json!({
            "metadata": {"namespace": "shop", "name": "db-0", "uid": "u-1"},
            "spec": {
                "nodeName": "node-1",
                "containers": [
                    {"name": "db", "image": "docker.io/library/postgres:15.14",
                        "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}},
                    {"name": "exporter", "image": "docker.io/prom/exporter:1",
                        "resources": {"requests": {"cpu": "50m"}, "limits": {"memory": "64Mi"}}},
                ],
                "initContainers": [
                    {"name": "prepare", "image": "docker.io/library/busybox:1"},
                    {"name": "proxy", "image": "docker.io/library/proxy:1", "restartPolicy": "Always"},
                ],
            },
            "status": {
                "phase": "Running",
                "containerStatuses": [
                    {"name": "db", "restartCount": 3, "state": {"running": {"startedAt": "2026-11-20T08:00:00Z"}}},
                    {"name": "exporter", "restartCount": 0, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
                ],
            },
        })
    }

    fn summary() -> Value {
        let memory = json!({"workingSetBytes": 200 * MIB});
        let used = |name: &str, nano: u64| json!({"name": name, "cpu": {"usageNanoCores": nano}, "memory": memory});
        json!({"pods": [
            {"podRef": {"namespace": "shop", "name": "db-0", "uid": "of-an-earlier-pod"},
                "containers": [used("db", 9)]},
            {"podRef": {"namespace": "shop", "name": "db-0", "uid": "u-1"},
                "containers": [used("db", 12_300_001), used("exporter", 5)]},
        ]})
    }

    fn read(pod: &Value, summary: &Value) -> PodResources {
        of_pod(pod, find_measurements(summary, pod))
    }

    #[test]
    fn containers_show_requests_and_measured_use() {
        let found = read(&pod(), &summary());
        assert_eq!((found.pod.as_str(), found.node.as_deref()), ("db-0", Some("node-1")));
        let names: Vec<&str> = found.containers.iter().map(|container| container.container.as_str()).collect();
        assert_eq!(names, ["db", "exporter", "proxy"], "what a pod begins with has ended");
        let db = &found.containers[0];
        assert_eq!((db.running, db.restarts), (true, Some(3)));
        let expected = Amounts {
            cpu_requested_millicores: Some(250),
            cpu_limit_millicores: None,
            cpu_used_millicores: Some(13),
            memory_requested_bytes: Some(256 * MIB),
            memory_limit_bytes: Some(1024 * MIB),
            memory_used_bytes: Some(200 * MIB),
        };
        assert_eq!(db.amounts, expected);
        let exporter = &found.containers[1];
        assert_eq!((exporter.running, exporter.restarts), (false, Some(0)));
        assert_eq!(exporter.amounts.cpu_used_millicores, None, "its last figure is not what it uses now");
        assert_eq!(found.containers[2].restarts, None, "nothing has reported it");
    }

    #[test]
    fn unmeasured_use_is_not_zero() {
        let unknown = read(&pod(), &json!({"pods": []}));
        assert_eq!(unknown.containers[0].amounts.memory_used_bytes, None);
        assert_eq!(unknown.containers[0].amounts.memory_requested_bytes, Some(256 * MIB), "that needs no measurement");
        let mut idle = summary();
        idle["pods"][1]["containers"][0]["cpu"]["usageNanoCores"] = 0.into();
        assert_eq!(read(&pod(), &idle).containers[0].amounts.cpu_used_millicores, Some(0));
        let bare = of_pod(&json!({}), None);
        assert_eq!((bare.phase.as_str(), bare.node, bare.containers.len()), ("Unknown", None, 0));
    }

    #[test]
    fn total_with_unknown_part_is_unknown() {
        let found = read(&pod(), &summary());
        let sum = total(&[found.clone(), found.clone()]);
        assert_eq!(sum.cpu_requested_millicores, Some(600), "of those that request anything");
        assert_eq!(sum.memory_limit_bytes, None, "the proxy has no limit");
        assert_eq!((sum.cpu_used_millicores, sum.memory_used_bytes), (Some(26), Some(400 * MIB)));
        let unmeasured = read(&pod(), &json!({}));
        assert_eq!(total(&[found.clone(), unmeasured]).memory_used_bytes, None);
        let mut ended = pod();
        ended["status"]["phase"] = "Succeeded".into();
        assert_eq!(total(&[found.clone(), read(&ended, &json!({}))]), total(&[found]), "it holds nothing anymore");
        assert_eq!(total(&[]), Amounts::default());
    }
}
