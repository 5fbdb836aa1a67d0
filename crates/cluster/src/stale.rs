//! Stale reports of the API server from before the machine's boot.
//!
//! After a power cut, it returns the earlier conditions: every pod counts as running until the kubelet has checked it.
//! A container that is reported as running, but that the runtime has not started since this boot, does not run.
//!
//! The check relies on no clock. The kernel computes the boot time from the current clock, so a clock set forward makes
//! every running container look older than the machine. A time recorded at boot would do the same to every container
//! that starts after the clock was set back. The runtime gives each start of a container its own ID, and keeps its
//! state in a folder that the next boot empties. That holds under any clock.

use serde_json::Value;

/// Returns names of pods with a container that is reported as running, but whose ID `runs` rejects.
pub fn stale_pods(pods: &[Value], runs: impl Fn(&str) -> bool) -> Vec<String> {
    let is_stale = |container: &Value| {
        // The ID is prefixed by the runtime's name, as in `containerd://ID`.
        let id = container["containerID"].as_str().unwrap_or_default();
        let id = id.rsplit_once("://").map_or(id, |(_, id)| id);
        container.pointer("/state/running").is_some() && !runs(id)
    };
    let containers = |pod: &Value| pod.pointer("/status/containerStatuses").and_then(Value::as_array).cloned();
    let stale = pods.iter().filter(|pod| containers(pod).unwrap_or_default().iter().any(is_stale));
    let name = |pod: &Value, field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
    stale.map(|pod| format!("{}/{}", name(pod, "namespace"), name(pod, "name"))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, id: &str, started_at: &str) -> Value {
        let status = json!({ "containerID": id, "state": { "running": { "startedAt": started_at } } });
        json!({ "metadata": { "namespace": "shop", "name": name }, "status": { "containerStatuses": [status] } })
    }

    #[test]
    fn container_of_earlier_boot_is_stale() {
        let ended = json!({ "containerID": "containerd://dead", "state": { "terminated": { "exitCode": 0 } } });
        let pods = [
            pod("before", "containerd://old", "2026-11-20T08:00:00Z"),
            pod("after", "containerd://new", "2026-11-20T09:00:30Z"),
            json!({ "metadata": { "namespace": "shop", "name": "done" }, "status": { "containerStatuses": [ended] } }),
            json!({ "metadata": { "namespace": "shop", "name": "pending" }, "status": {} }),
        ];
        assert_eq!(stale_pods(&pods, |id| id == "new"), ["shop/before"]);
    }

    #[test]
    fn clock_changes_make_nothing_stale() {
        // The container started, and then a boot set the clock forward by years, or back to before that start.
        for started_at in ["2001-01-01T00:00:00Z", "2099-01-01T00:00:00Z"] {
            let pods = [pod("front", "containerd://one", started_at)];
            assert_eq!(stale_pods(&pods, |id| id == "one"), Vec::<String>::new(), "{started_at}");
            assert_eq!(stale_pods(&pods, |_| false), ["shop/front"], "{started_at}");
        }
    }
}
