//! Requests and usage of CPU, memory and space by a component. An absent figure was not measured, or is not set: zero
//! is a figure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Requests and usage of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentResources {
    /// Name of the component.
    pub component: String,
    /// Time of measurement, RFC 3339.
    pub at: String,
    /// Sum over the containers of all pods that have not ended.
    pub total: Amounts,
    /// Used space of all volumes in bytes; null if one of them was not measured, or there is none.
    pub used_space_bytes: Option<u64>,
    /// Pods of the component, by namespace and name.
    pub pods: Vec<PodResources>,
    /// Volumes to which its pods write, each once.
    pub volumes: Vec<VolumeResources>,
    /// Reasons why figures are missing, for a person.
    pub notes: Vec<String>,
}

/// Amounts of CPU and memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    /// Requested CPU in thousandths of a core; null if nothing is requested.
    pub cpu_requested_millicores: Option<u64>,
    /// CPU limit in thousandths of a core; null if there is no limit.
    pub cpu_limit_millicores: Option<u64>,
    /// CPU usage in thousandths of a core; null if it was not measured.
    pub cpu_used_millicores: Option<u64>,
    /// Requested memory in bytes; null if nothing is requested.
    pub memory_requested_bytes: Option<u64>,
    /// Memory limit in bytes; null if there is no limit.
    pub memory_limit_bytes: Option<u64>,
    /// Memory in use that the kernel could not reclaim, in bytes; null if it was not measured.
    pub memory_used_bytes: Option<u64>,
}

/// Pod with its containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodResources {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Phase of the pod, by Kubernetes' name: `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
    pub phase: String,
    /// Node of the pod, once it is scheduled.
    pub node: Option<String>,
    /// Containers that run as long as the pod.
    pub containers: Vec<ContainerResources>,
}

impl PodResources {
    /// Returns true if it has ended permanently, so that it holds no resources.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase.as_str(), "Succeeded" | "Failed")
    }
}

/// Requests and usage of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerResources {
    /// Name of the container.
    pub container: String,
    /// Image with its version, as the pod names it.
    pub image: String,
    /// True if the container runs now.
    pub running: bool,
    /// Number of restarts; null if the node has not reported it yet.
    pub restarts: Option<u64>,
    /// Requests, limits and usage.
    pub amounts: Amounts,
}

/// Kind of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeKind {
    /// The data stays when the pod is deleted.
    Claim,
    /// The data is deleted with the pod.
    Temporary,
}

/// Volume to which pods write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeResources {
    /// Kind of the volume.
    pub kind: VolumeKind,
    /// Namespace of the volume.
    pub namespace: String,
    /// Name of the claim, or name of the volume in its pod.
    pub name: String,
    /// Pods that mount it.
    pub pods: Vec<String>,
    /// Size in bytes; null if it has no size.
    pub size_bytes: Option<u64>,
    /// Used space in bytes; null if it was not measured.
    pub used_bytes: Option<u64>,
}
