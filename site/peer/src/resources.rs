//! Requests and usage of CPU, memory and space by a component. An absent figure was not measured, or is not set: zero
//! is a figure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a component asks for and uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentResources {
    /// The component.
    pub component: String,
    /// When it was looked at, RFC 3339.
    pub at: String,
    /// What the containers of all pods come to that have not ended.
    pub total: Amounts,
    /// Bytes that the volumes take together; none where one of them was not measured, or there is none.
    pub used_space_bytes: Option<u64>,
    /// Its pods, by namespace and name.
    pub pods: Vec<PodResources>,
    /// The volumes in which its pods write, each once.
    pub volumes: Vec<VolumeResources>,
    /// Why figures are missing, for a person.
    pub notes: Vec<String>,
}

/// Amounts of CPU and memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    /// Thousandths of a core that are reserved; none where nothing is requested.
    pub cpu_requested_millicores: Option<u64>,
    /// Thousandths of a core that it may use at most; none where there is no limit.
    pub cpu_limit_millicores: Option<u64>,
    /// Thousandths of a core that it uses; none where that was not measured.
    pub cpu_used_millicores: Option<u64>,
    /// Bytes of memory that are reserved; none where nothing is requested.
    pub memory_requested_bytes: Option<u64>,
    /// Bytes of memory that it may use at most; none where there is no limit.
    pub memory_limit_bytes: Option<u64>,
    /// Bytes of memory that it uses and the kernel could not take back; none where that was not measured.
    pub memory_used_bytes: Option<u64>,
}

/// A pod with its containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodResources {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// Kubernetes' word for where it is in its life: `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
    pub phase: String,
    /// The node that it is on, once it is on one.
    pub node: Option<String>,
    /// The containers that are to run as long as the pod.
    pub containers: Vec<ContainerResources>,
}

impl PodResources {
    /// Returns true if it has ended permanently, so that it holds no resources.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase.as_str(), "Succeeded" | "Failed")
    }
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerResources {
    /// Its name.
    pub container: String,
    /// Its image with its version, as the pod names it.
    pub image: String,
    /// Whether it runs now.
    pub running: bool,
    /// How many times it was started again; none where the node has not reported it yet.
    pub restarts: Option<u64>,
    /// What it asks for and uses.
    pub amounts: Amounts,
}

/// What a volume is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeKind {
    /// Its data stays when the pod goes.
    Claim,
    /// Its data goes with the pod.
    Temporary,
}

/// A volume in which pods write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeResources {
    /// What it is.
    pub kind: VolumeKind,
    /// Its namespace.
    pub namespace: String,
    /// The claim's name, or the volume's name in its pod.
    pub name: String,
    /// The pods that have it.
    pub pods: Vec<String>,
    /// Bytes that it was made for; none where it has no size.
    pub size_bytes: Option<u64>,
    /// Bytes that it takes; none where that was not measured.
    pub used_bytes: Option<u64>,
}
