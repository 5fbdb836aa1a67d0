//! Readiness of objects, as pure functions over JSON, by the rules of Kubernetes' own kstatus library.
//!
//! Where kstatus is more lenient than a user would be, the stricter answer applies: a Job is ready when it has
//! completed, not when it starts.

mod claims;
mod conditions;
mod pods;
mod workloads;

#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::Value;

use crate::ObjectName;
pub use claims::evaluate_claim;
use conditions::{condition, message};
pub(crate) use pods::QUOTED_LINES;
pub use pods::{PodReason, explain_pod, explain_workload};

/// Readiness of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "reason")]
pub enum Readiness {
    /// It is in its desired state.
    Ready,
    /// It is not ready yet.
    InProgress(String),
    /// It is not ready, and its controller has given up.
    Failed(String),
}

impl Readiness {
    /// Returns true for [`Readiness::Ready`].
    pub fn is_ready(&self) -> bool {
        *self == Self::Ready
    }

    /// Returns why the object is not ready.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Ready => None,
            Self::InProgress(reason) | Self::Failed(reason) => Some(reason),
        }
    }
}

/// Returns true for kinds whose readiness means more than existence.
pub fn has_readiness(object: &ObjectName) -> bool {
    !matches!(
        object.kind.as_str(),
        "ConfigMap"
            | "Secret"
            | "ServiceAccount"
            | "Role"
            | "RoleBinding"
            | "ClusterRole"
            | "ClusterRoleBinding"
            | "NetworkPolicy"
            | "ResourceQuota"
            | "LimitRange"
            | "Namespace"
            | "StorageClass"
            | "PriorityClass"
            | "PersistentVolume"
            | "PodDisruptionBudget"
            | "ValidatingAdmissionPolicyBinding"
    )
}

/// Evaluates the readiness of a live object.
pub fn evaluate(object: &Value) -> Readiness {
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return Readiness::InProgress("it is being deleted".to_owned());
    }
    if let Some(reason) = unobserved_reason(object) {
        return Readiness::InProgress(reason);
    }
    let group =
        object["apiVersion"].as_str().and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
    match (group, object["kind"].as_str().unwrap_or_default()) {
        ("apps", "Deployment") => workloads::deployment(object),
        ("apps", "StatefulSet") => workloads::stateful_set(object),
        ("apps", "DaemonSet") => workloads::daemon_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workloads::replica_set(object),
        ("batch", "Job") => workloads::job(object),
        ("", "Pod") => workloads::pod(object),
        ("", "PersistentVolumeClaim") => evaluate_claim(object, None),
        ("", "Service") => service(object),
        ("", "Namespace") => namespace(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("apiregistration.k8s.io", "APIService") => needs_condition(object, "Available"),
        _ => generic(object),
    }
}

/// Returns a reason if the object's controller has not yet seen its latest generation.
fn unobserved_reason(object: &Value) -> Option<String> {
    let observed = object.pointer("/status/observedGeneration")?.as_i64()?;
    let generation = object.pointer("/metadata/generation")?.as_i64()?;
    (observed != generation).then(|| "its controller has not seen its latest change yet".to_owned())
}

/// Evaluates any kind with a condition `Ready`, such as most custom resources. An object without conditions is ready.
fn generic(object: &Value) -> Readiness {
    for (condition_type, failed) in [("Stalled", true), ("Reconciling", false)] {
        if let Some(found) = condition(object, condition_type).filter(|found| found["status"] == "True") {
            let reason = message(found);
            return if failed { Readiness::Failed(reason) } else { Readiness::InProgress(reason) };
        }
    }
    if condition(object, "Ready").is_some() { needs_condition(object, "Ready") } else { Readiness::Ready }
}

fn needs_condition(object: &Value, condition_type: &str) -> Readiness {
    match condition(object, condition_type) {
        Some(found) if found["status"] == "True" => Readiness::Ready,
        Some(found) => Readiness::InProgress(message(found)),
        None => Readiness::InProgress(format!("it does not say yet that it is {condition_type}")),
    }
}

fn service(object: &Value) -> Readiness {
    let spec = &object["spec"];
    if spec["type"] == "LoadBalancer" {
        let ingress = object.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
        if ingress.is_none_or(Vec::is_empty) {
            return Readiness::InProgress("it has no load balancer address yet".to_owned());
        }
    }
    if spec["type"] != "ExternalName" && spec["clusterIP"].as_str().is_none_or(str::is_empty) {
        return Readiness::InProgress("it has no address yet".to_owned());
    }
    Readiness::Ready
}

fn namespace(object: &Value) -> Readiness {
    match object.pointer("/status/phase").and_then(Value::as_str) {
        Some("Active") | None => Readiness::Ready,
        Some(phase) => Readiness::InProgress(format!("it is {phase}")),
    }
}

fn definition(object: &Value) -> Readiness {
    if let Some(refused) = condition(object, "NamesAccepted").filter(|found| found["status"] == "False") {
        return Readiness::Failed(message(refused));
    }
    needs_condition(object, "Established")
}
