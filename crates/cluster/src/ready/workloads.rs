//! Readiness of workloads: all desired pods exist, run the latest version, and are available.

use serde_json::Value;

use super::conditions::{condition, message};
use super::{PodReason, Readiness};

fn count(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// Returns the desired number of pods; one by default.
fn wanted_replicas(object: &Value) -> i64 {
    object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}

/// Reports the first of several counts that is below the desired number.
fn short_of(wanted: i64, counts: &[(&str, i64)]) -> Option<Readiness> {
    let (what, have) = counts.iter().find(|(_, have)| *have < wanted)?;
    Some(Readiness::InProgress(format!("{have} of {wanted} pods are {what}")))
}

fn never_looked_at(object: &Value) -> Option<Readiness> {
    let seen = object.pointer("/status/observedGeneration").is_some();
    (!seen).then(|| Readiness::InProgress("its controller has not seen it yet".to_owned()))
}

/// Evaluates a Deployment. Unlike in kstatus, an exceeded rollout deadline decides nothing: the controller continues,
/// and the component sets its own limit. After a power cut, the time when the machine was off would also count toward
/// that deadline.
pub(super) fn deployment(object: &Value) -> Readiness {
    if let Some(waiting) = never_looked_at(object) {
        return waiting;
    }
    if let Some(refused) = condition(object, "ReplicaFailure").filter(|found| found["status"] == "True") {
        return Readiness::InProgress(format!("its pods cannot be made: {}", message(refused)));
    }
    let wanted = wanted_replicas(object);
    let updated = count(object, "/status/updatedReplicas");
    let counts = [
        ("made", count(object, "/status/replicas")),
        ("updated", updated),
        ("ready", count(object, "/status/readyReplicas")),
        ("available", count(object, "/status/availableReplicas")),
    ];
    if let Some(short) = short_of(wanted, &counts) {
        return short;
    }
    if count(object, "/status/replicas") > updated {
        return Readiness::InProgress("pods of its earlier version still run".to_owned());
    }
    match condition(object, "Available") {
        Some(found) if found["status"] == "True" => Readiness::Ready,
        Some(found) => Readiness::InProgress(message(found)),
        None => Readiness::InProgress("it does not say yet that it is available".to_owned()),
    }
}

pub(super) fn stateful_set(object: &Value) -> Readiness {
    if let Some(waiting) = never_looked_at(object) {
        return waiting;
    }
    let wanted = wanted_replicas(object);
    let counts = [("made", count(object, "/status/replicas")), ("ready", count(object, "/status/readyReplicas"))];
    if let Some(short) = short_of(wanted, &counts) {
        return short;
    }
    if count(object, "/status/replicas") > wanted {
        return Readiness::InProgress("surplus pods still run".to_owned());
    }
    // With OnDelete, a user decides when pods are replaced.
    if object.pointer("/spec/updateStrategy/type").is_some_and(|strategy| strategy == "OnDelete") {
        return Readiness::Ready;
    }
    let partition = count(object, "/spec/updateStrategy/rollingUpdate/partition");
    if let Some(short) = short_of(wanted - partition, &[("updated", count(object, "/status/updatedReplicas"))]) {
        return short;
    }
    if partition == 0 && object.pointer("/status/currentRevision") != object.pointer("/status/updateRevision") {
        return Readiness::InProgress("pods of its earlier version still run".to_owned());
    }
    short_of(wanted, &[("available", count(object, "/status/availableReplicas"))]).unwrap_or(Readiness::Ready)
}

pub(super) fn daemon_set(object: &Value) -> Readiness {
    if let Some(waiting) = never_looked_at(object) {
        return waiting;
    }
    let wanted = count(object, "/status/desiredNumberScheduled");
    let counts = [
        ("made", count(object, "/status/currentNumberScheduled")),
        ("updated", count(object, "/status/updatedNumberScheduled")),
        ("ready", count(object, "/status/numberReady")),
        ("available", count(object, "/status/numberAvailable")),
    ];
    short_of(wanted, &counts).unwrap_or(Readiness::Ready)
}

pub(super) fn replica_set(object: &Value) -> Readiness {
    if let Some(waiting) = never_looked_at(object) {
        return waiting;
    }
    let counts = [
        ("made", count(object, "/status/replicas")),
        ("ready", count(object, "/status/readyReplicas")),
        ("available", count(object, "/status/availableReplicas")),
    ];
    short_of(wanted_replicas(object), &counts).unwrap_or(Readiness::Ready)
}

pub(super) fn job(object: &Value) -> Readiness {
    let holds = |kind: &str| condition(object, kind).filter(|found| found["status"] == "True");
    if let Some(failed) = holds("Failed") {
        return Readiness::Failed(message(failed));
    }
    if holds("Complete").is_some() {
        return Readiness::Ready;
    }
    if let Some(suspended) = holds("Suspended") {
        return Readiness::InProgress(message(suspended));
    }
    if object.pointer("/status/startTime").is_none() {
        return Readiness::InProgress("it has not started yet".to_owned());
    }
    let done = count(object, "/status/succeeded");
    let wanted = object.pointer("/spec/completions").and_then(Value::as_i64).unwrap_or(1);
    Readiness::InProgress(match count(object, "/status/failed") {
        0 => format!("{done} of {wanted} runs are done"),
        failed => format!("{done} of {wanted} runs are done, {failed} failed"),
    })
}

pub(super) fn pod(object: &Value) -> Readiness {
    match object.pointer("/status/phase").and_then(Value::as_str) {
        Some("Succeeded") => Readiness::Ready,
        Some("Failed") => {
            let said = object.pointer("/status/message").or_else(|| object.pointer("/status/reason"));
            let said = said.and_then(Value::as_str).map(str::to_owned);
            let said = said.or_else(|| PodReason::of(object).map(|reason| reason.to_string()));
            Readiness::Failed(said.unwrap_or_else(|| "it failed without saying why".to_owned()))
        }
        Some("Running") if condition(object, "Ready").is_some_and(|found| found["status"] == "True") => {
            Readiness::Ready
        }
        phase => {
            let reason = PodReason::of(object).map(|reason| reason.to_string());
            Readiness::InProgress(reason.unwrap_or_else(|| format!("it is {}", phase.unwrap_or("not scheduled yet"))))
        }
    }
}
