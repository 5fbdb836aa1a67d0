//! What the API server still reports from before the machine started.
//!
//! After a power cut it returns the conditions from before: every pod counts as running until the kubelet has looked. A
//! container whose reported start is before the machine's does not run.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Start times are whole seconds, and the kernel's idea of the time it started is rounded too.
const ROUNDING: SignedDuration = SignedDuration::from_secs(2);

/// When this machine started: when its first process did, which in a container is later than the kernel. None if
/// `/proc` does not show it.
pub fn machine_started(proc: &Path) -> Option<Timestamp> {
    let kernel = fs_err::read_to_string(proc.join("stat")).ok()?;
    let kernel: i64 = kernel.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    // The name of the program, field 2, is in parentheses and may hold anything; field 22 is the start in clock ticks.
    let first = fs_err::read_to_string(proc.join("1/stat")).ok()?;
    let ticks: u64 = first.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let seconds = i64::try_from(ticks / rustix::param::clock_ticks_per_second()).ok()?;
    Timestamp::from_second(kernel + seconds).ok()
}

/// Names of pods with a container whose reported start is before the machine's.
pub fn stale_pods(pods: &[Value], started: Timestamp) -> Vec<String> {
    let is_stale = |container: &Value| {
        let since = container.pointer("/state/running/startedAt").and_then(Value::as_str);
        since.and_then(|since| since.parse::<Timestamp>().ok()).is_some_and(|since| since + ROUNDING < started)
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

    fn pod(name: &str, started_at: &str) -> Value {
        let state = json!({ "running": { "startedAt": started_at } });
        json!({ "metadata": { "namespace": "shop", "name": name }, "status": { "containerStatuses": [{ "state": state }] } })
    }

    #[test]
    fn a_container_older_than_the_machine_does_not_run() {
        let started: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
        let pods = [
            pod("before", "2026-11-20T08:00:00Z"),
            pod("after", "2026-11-20T09:00:30Z"),
            pod("rounded", "2026-11-20T08:59:59Z"),
            json!({ "metadata": { "namespace": "shop", "name": "pending" }, "status": {} }),
        ];
        assert_eq!(stale_pods(&pods, started), ["shop/before"]);
    }

    #[test]
    fn this_machine_started_in_the_past() {
        let started = machine_started(Path::new("/proc")).unwrap();
        assert!(started < Timestamp::now() && started > "2020-01-01T00:00:00Z".parse().unwrap(), "{started}");
    }
}
