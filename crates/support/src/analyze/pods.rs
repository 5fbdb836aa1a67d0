//! Rules about pods and claims.

use serde_json::Value;

use super::evidence::{BundleReading, CLAIMS, Evidence, PODS, list, quote_shortened, text};

/// Number of failed lookups at which the cluster's nameserver becomes an observation: a few occur at every start.
const FAILED_LOOKUPS: usize = 20;

fn name(object: &Value) -> String {
    format!("{}/{}", text(object, "/metadata/namespace"), text(object, "/metadata/name"))
}

/// Containers of all pods for which `judge` returns a text, each at the line of its pod.
fn containers(reading: &BundleReading<'_>, judge: impl Fn(&Value) -> Option<String>) -> Vec<Evidence> {
    let mut found = Vec::new();
    for (pod, line) in reading.pods.iter().zip(1..) {
        let all = ["/status/initContainerStatuses", "/status/containerStatuses"].map(|part| list(pod, part));
        for container in all.into_iter().flatten() {
            if let Some(what) = judge(container) {
                let text = quote_shortened(&format!("{}, container {}: {what}", name(pod), text(container, "/name")));
                found.push(Evidence { file: PODS.to_owned(), line, text });
            }
        }
    }
    found
}

fn waits(container: &Value, reasons: &[&str]) -> Option<String> {
    let reason = text(container, "/state/waiting/reason");
    reasons.contains(&reason).then(|| format!("{reason} {}", text(container, "/state/waiting/message")))
}

pub(super) fn images(reading: &BundleReading<'_>) -> Vec<Evidence> {
    containers(reading, |container| {
        waits(
            container,
            &["ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"],
        )
    })
}

pub(super) fn crashes(reading: &BundleReading<'_>) -> Vec<Evidence> {
    containers(reading, |container| {
        let what = waits(container, &["CrashLoopBackOff"])?;
        let code = container.pointer("/lastState/terminated/exitCode").map(|code| format!("; exit code {code}"));
        Some(what + &code.unwrap_or_default())
    })
}

pub(super) fn out_of_memory(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let mut found = containers(reading, |container| {
        let killed = ["/state/terminated/reason", "/lastState/terminated/reason"];
        let is_killed = killed.iter().any(|place| text(container, place) == "OOMKilled");
        is_killed.then(|| "OOMKilled".to_owned())
    });
    found.extend(reading.lines("journald/kernel", ".log", |line| line.contains("Out of memory: Killed process")));
    found
}

pub(super) fn claims(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let pending =
        reading.claims.iter().zip(1..).filter(|(claim, _)| matches!(text(claim, "/status/phase"), "Pending" | "Lost"));
    let evidence = pending.map(|(claim, line)| {
        let class = text(claim, "/spec/storageClassName");
        let text =
            quote_shortened(&format!("{} is {}, storage class {class}", name(claim), text(claim, "/status/phase")));
        Evidence { file: CLAIMS.to_owned(), line, text }
    });
    evidence.collect()
}

pub(super) fn unschedulable(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let mut found = Vec::new();
    for (pod, line) in reading.pods.iter().zip(1..) {
        let conditions = list(pod, "/status/conditions").iter();
        let refused = conditions.filter(|one| one["type"] == "PodScheduled" && one["status"] == "False");
        found.extend(refused.map(|condition| {
            let text = quote_shortened(&format!("{}: {}", name(pod), text(condition, "/message")));
            Evidence { file: PODS.to_owned(), line, text }
        }));
    }
    found
}

pub(super) fn nameserver(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let mut found = Vec::new();
    for (pod, line) in reading.pods.iter().zip(1..) {
        let is_nameserver = text(pod, "/metadata/labels/k8s-app") == "kube-dns";
        let is_unready = |one: &Value| one["type"] == "Ready" && one["status"] == "False";
        if is_nameserver && list(pod, "/status/conditions").iter().any(is_unready) {
            found.push(Evidence {
                file: PODS.to_owned(),
                line,
                text: quote_shortened(&format!("{} is not ready", name(pod))),
            });
        }
    }
    let is_failed =
        |line: &str| line.contains("plugin/errors") && (line.contains("i/o timeout") || line.contains("unreachable"));
    // The name of the file contains that of the pod.
    let lines = reading.lines("pods/", ".log", is_failed);
    if lines.len() >= FAILED_LOOKUPS {
        found.extend(lines);
    }
    found
}
