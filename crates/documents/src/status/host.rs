//! The host as the status reports it: agent, certificates, clock, disk, memory, etcd and firewalls.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Status of a host's agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// True if Landfall's units run, and nothing prevents the kubelet from running.
    pub ready: bool,
    /// Reason why the agent is not ready.
    pub reason: Option<String>,
    /// Last error that the kubelet logged since the machine started, which may be resolved.
    pub last_kubelet_error: Option<String>,
}

/// Status of the host's firewalls, as far as they concern pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirewallStatus {
    /// True if none of them drops packets from pods.
    pub ready: bool,
    /// Reason why packets are dropped.
    pub reason: Option<String>,
    /// Shell commands that open the firewalls, in order.
    #[serde(default)]
    #[schemars(!default)]
    pub commands: Vec<String>,
}

/// Status of a site's certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificatesStatus {
    /// True if each of them can be used now.
    pub ready: bool,
    /// Reason why one cannot be used.
    pub reason: Option<String>,
    /// Earliest expiry of a certificate, RFC 3339. The agent renews all but the authorities long before.
    pub soonest_end: Option<String>,
    /// Whole days until that expiry, rounded down; negative once it has passed.
    pub days_left: Option<i64>,
    /// All certificates, the first to expire at the beginning; certificates without a known end precede them.
    #[serde(default)]
    #[schemars(!default)]
    pub certificates: Vec<CertificateStatus>,
}

/// Status of one certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStatus {
    /// File that holds it, or a kubeconfig.
    pub file: PathBuf,
    /// Start of its validity, RFC 3339; null if it cannot be read.
    pub begins: Option<String>,
    /// End of its validity, RFC 3339; null if it cannot be read.
    pub ends: Option<String>,
    /// Reason why it cannot be used now, as in `has ended`.
    pub problem: Option<String>,
}

/// Status of the machine's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClockStatus {
    /// True if the clock can be right, as far as the site knows.
    pub ready: bool,
    /// Reason why it cannot be right.
    pub reason: Option<String>,
    /// Time of the clock, RFC 3339.
    pub now: String,
    /// Newest time that the site has seen, RFC 3339, if the clock shows an earlier one. This does not affect readiness.
    pub earlier_than: Option<String>,
}

/// Space of a filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiskStatus {
    /// True if free space exceeds the space that the kubelet keeps free by removing pods.
    pub ready: bool,
    /// Reason why it is not ready.
    pub reason: Option<String>,
    /// Folder on the filesystem.
    pub folder: PathBuf,
    /// Total bytes.
    pub total_bytes: u64,
    /// Writable free bytes.
    pub free_bytes: u64,
}

/// Memory of the machine. The kubelet judges it: a node without enough has a pressure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryStatus {
    /// Total bytes.
    pub total_bytes: u64,
    /// Bytes that programs can use without swapping, as the kernel estimates them.
    pub available_bytes: u64,
}

/// Status of etcd, the cluster's own database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EtcdStatus {
    /// True if there is room in the database.
    pub ready: bool,
    /// Reason why it is not ready.
    pub reason: Option<String>,
    /// Size of its file in bytes.
    pub size_bytes: u64,
    /// Size in bytes at which it refuses writes.
    pub quota_bytes: u64,
}
