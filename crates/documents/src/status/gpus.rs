//! GPUs of the host as the status reports them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Status of a host's NVIDIA GPUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GpusStatus {
    /// Version of the driver.
    pub driver: Option<String>,
    /// Reason why they cannot be used, with its code; null if every GPU answers.
    pub reason: Option<String>,
    /// GPUs that the driver knows; empty if it cannot be queried.
    #[serde(default)]
    #[schemars(!default)]
    pub devices: Vec<GpuStatus>,
    /// Number of GPUs that the node offers to pods, by resource, such as `nvidia.com/gpu`. It is empty if no device
    /// plugin offers any, or the cluster does not answer.
    #[serde(default)]
    #[schemars(!default)]
    pub offered: BTreeMap<String, u64>,
    /// Differences between the driver's report and the offer, or the devices of containers, with codes. The list is
    /// empty without differences, or if no release that offers GPUs is installed.
    #[serde(default)]
    #[schemars(!default)]
    pub differences: Vec<String>,
    /// Time of the query, RFC 3339.
    pub as_of: String,
    /// Seconds since then: a result is kept for a minute, and for ten after a library that hung.
    #[serde(default)]
    #[schemars(!default)]
    pub age_seconds: u64,
}

/// Status of one GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GpuStatus {
    /// Index of the GPU in the driver.
    pub index: u32,
    /// Model, such as `NVIDIA L4`; null if it does not answer.
    pub model: Option<String>,
    /// Memory of the GPU in bytes.
    pub total_bytes: Option<u64>,
    /// Memory in use, in bytes.
    pub used_bytes: Option<u64>,
    /// Names of the parts into which it is divided (MIG).
    #[serde(default)]
    #[schemars(!default)]
    pub parts: Vec<String>,
    /// Processes that hold its memory.
    #[serde(default)]
    #[schemars(!default)]
    pub holders: Vec<GpuHolder>,
    /// Problems of the GPU.
    #[serde(default)]
    #[schemars(!default)]
    pub problems: Vec<String>,
}

/// Process that holds memory of a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GpuHolder {
    /// ID of the process.
    pub pid: u32,
    /// Name of the program, if it is visible.
    pub program: Option<String>,
    /// Memory that it holds in bytes, if known.
    pub used_bytes: Option<u64>,
    /// Pod of the process, as `NAMESPACE/NAME`; null for a process of the host, and if the cluster does not answer.
    pub pod: Option<String>,
}
