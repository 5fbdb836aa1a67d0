//! The cluster as the status reports it: nodes, components, registry and service addresses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Status of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Name of the node.
    pub name: String,
    /// Address of the node.
    pub address: String,
    /// Version of its kubelet.
    pub kubernetes: String,
    /// True if the node is ready, and so are its pods that belong to Kubernetes or to the release.
    pub ready: bool,
    /// Reason why it is not ready.
    pub reason: Option<String>,
    /// Pressures that the kubelet reports, such as `DiskPressure`; it then removes pods, and accepts no new ones.
    #[serde(default)]
    #[schemars(!default)]
    pub pressures: Vec<String>,
}

/// State of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// Name of the component.
    pub component: String,
    /// Namespace of the component.
    pub namespace: String,
    /// Release of the component.
    pub release: String,
    /// Number of ready objects.
    pub ready: usize,
    /// Number of objects that can be ready: workloads, claims, services and the like.
    pub total: usize,
    /// Reasons why the other objects are not ready, for a person.
    #[serde(default)]
    #[schemars(!default)]
    pub reasons: Vec<String>,
}

/// Status of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistryStatus {
    /// Address on which it listens.
    pub address: String,
    /// True if the registry answers.
    pub ready: bool,
    /// Reason why it does not answer.
    pub reason: Option<String>,
    /// Number of staged blobs of the release.
    pub staged_blobs: usize,
    /// Number of blobs of the release.
    pub blobs: usize,
    /// Size of the staged blobs in bytes.
    pub staged_bytes: u64,
}

/// Status of service addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAddresses {
    /// True if the addresses of the API server and of the cluster's nameserver answer.
    pub ready: bool,
    /// Reason why they do not answer.
    pub reason: Option<String>,
}
