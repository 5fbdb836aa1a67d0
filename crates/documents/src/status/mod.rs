//! The status of a site: output of `landfall status`.

mod cluster;
mod gpus;
mod host;
mod models;
mod part;
mod verdict;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::backups::BackupsStatus;
use crate::failure::Failure;
use crate::license::LicenseStatus;
use crate::newer::known_items;
use crate::operation::{Holder, Operation};
use crate::replaced_data::ReplacedData;
use crate::warning::AcceptedWarning;
pub use cluster::{ComponentStatus, NodeStatus, RegistryStatus, ServiceAddresses};
pub use gpus::{GpuHolder, GpuStatus, GpusStatus};
pub use host::{
    AgentStatus, CertificateStatus, CertificatesStatus, ClockStatus, DiskStatus, EtcdStatus, FirewallStatus,
    MemoryStatus,
};
pub use models::{ModelFigure, ModelStatus};
pub use part::Part;
pub use verdict::Verdict;

/// State of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SiteState {
    /// Nothing is installed.
    Absent,
    /// An install runs.
    Installing,
    /// An install was interrupted.
    InstallInterrupted,
    /// A release is installed.
    Installed,
    /// The settings of the installed release change.
    Changing,
    /// A change was interrupted.
    ChangeInterrupted,
    /// An uninstall runs.
    Uninstalling,
    /// An uninstall was interrupted.
    UninstallInterrupted,
    /// State of a newer version.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

/// Report of the status.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    /// Verdict of the report.
    pub verdict: Verdict,
    /// State of the site.
    pub state: SiteState,
    /// True if everything that should run is ready: release installed, agent, nodes, firewall, every component of the
    /// release, registry, certificates, clock, disk, etcd.
    pub ready: bool,
    /// Release, installed or in progress.
    pub release: Option<ReleaseStatus>,
    /// Latest operation.
    pub operation: Option<OperationStatus>,
    /// Agent of the host.
    pub agent: Option<AgentStatus>,
    /// Nodes of the cluster.
    #[serde(default)]
    #[schemars(!default)]
    pub nodes: Vec<NodeStatus>,
    /// Status of the cluster's service addresses; null if the cluster was not queried.
    pub service_addresses: Option<ServiceAddresses>,
    /// Status of the host's firewalls for packets of pods; null if nothing is installed.
    pub firewall: Option<FirewallStatus>,
    /// Components of the release.
    #[serde(default)]
    #[schemars(!default)]
    pub components: Vec<ComponentStatus>,
    /// Registry of the site.
    pub registry: Option<RegistryStatus>,
    /// Certificates of the site; null if there is no control plane.
    pub certificates: Option<CertificatesStatus>,
    /// Clock of the machine; null if nothing is installed.
    pub clock: Option<ClockStatus>,
    /// NVIDIA GPUs; absent if there are none, or nothing is installed. They never affect readiness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<GpusStatus>,
    /// Models of the release, in its order; empty if it describes none. They never affect readiness.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelStatus>,
    /// Space of the data folder.
    pub disk: Option<DiskStatus>,
    /// Memory of the machine; absent if nothing is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryStatus>,
    /// Status of the cluster's own database; null if there is none.
    pub etcd: Option<EtcdStatus>,
    /// Backups of the site's data; null if none was ever made.
    pub backups: Option<BackupsStatus>,
    /// Warning that the site's data would be lost with its machine, because there is no backup. Absent if one exists,
    /// or the release has no data to save. It never affects readiness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_backup: Option<String>,
    /// Data that the undo of changes replaced in volumes. It is kept until a person removes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced_data: Vec<ReplacedData>,
    /// Warnings that a person accepted before the release was installed.
    #[serde(default, deserialize_with = "known_items", skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<AcceptedWarning>,
    /// License of the site; null if there is none and none is needed. It never affects readiness.
    pub license: Option<LicenseStatus>,
    /// Reason why nodes and components are not known, which is also a note: the API server does not answer. Running
    /// software continues. Absent if it answers, or if there is no cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_silence: Option<String>,
    /// Further notes for a person.
    #[serde(default)]
    #[schemars(!default)]
    pub notes: Vec<String>,
}

/// Release on a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseStatus {
    /// Name of the release.
    pub name: String,
    /// Version of the release.
    pub version: String,
    /// Counter of the release.
    pub counter: u64,
    /// ID of its bundle.
    #[serde(default)]
    #[schemars(!default)]
    pub bundle: String,
    /// Fingerprint of the trusted root document.
    #[serde(default)]
    #[schemars(!default)]
    pub root: String,
    /// True if that root is for development only.
    #[serde(default)]
    #[schemars(!default)]
    pub development: bool,
    /// Source of its trust.
    #[serde(default)]
    #[schemars(!default)]
    pub trust: String,
}

/// Operation, by its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationStatus {
    /// Kind of the operation.
    #[schemars(with = "Operation")]
    pub operation: String,
    /// Process that runs it now.
    pub running: Option<Holder>,
    /// Sequence number of its last record.
    pub record: u64,
    /// Time at which that record was written.
    pub at: Option<String>,
    /// File of the journal.
    pub journal: PathBuf,
    /// Step that is next, or in progress.
    pub step: Option<StepReport>,
}

/// Step, by the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    /// Number of the step, from 1.
    pub index: usize,
    /// Total number of steps.
    pub count: usize,
    /// ID of the step.
    pub id: String,
    /// Title of the step.
    pub title: String,
    /// Status of the step.
    pub status: String,
    /// Latest failure of the step.
    pub failure: Option<Failure>,
    /// Object that blocked the step because Landfall does not own it.
    pub blocked: Option<String>,
    /// True if a person must remove the obstacle before the step can continue.
    #[serde(default)]
    #[schemars(!default)]
    pub stuck: bool,
}

impl StatusReport {
    /// Returns true if everything that should run is ready.
    pub fn is_ready(&self) -> bool {
        let is_ready = |component: &ComponentStatus| component.reasons.is_empty() && component.ready == component.total;
        self.state == SiteState::Installed
            && self.agent.as_ref().is_some_and(|agent| agent.ready)
            && self.registry.as_ref().is_some_and(|registry| registry.ready)
            && self.service_addresses.as_ref().is_some_and(|addresses| addresses.ready)
            && self.firewall.as_ref().is_some_and(|firewall| firewall.ready)
            && !self.nodes.is_empty()
            && self.nodes.iter().all(|node| node.ready)
            && self.components.iter().all(is_ready)
            && self.certificates.as_ref().is_some_and(|certificates| certificates.ready)
            && self.clock.as_ref().is_some_and(|clock| clock.ready)
            && self.disk.as_ref().is_some_and(|disk| disk.ready)
            && self.etcd.as_ref().is_some_and(|etcd| etcd.ready)
    }

    /// Returns the report of a host without a site, to which all findings are added.
    pub fn absent(disk: Option<DiskStatus>) -> Self {
        Self {
            verdict: Verdict::Absent,
            state: SiteState::Absent,
            ready: false,
            release: None,
            operation: None,
            agent: None,
            nodes: Vec::new(),
            service_addresses: None,
            firewall: None,
            components: Vec::new(),
            registry: None,
            certificates: None,
            clock: None,
            gpus: None,
            models: Vec::new(),
            disk,
            memory: None,
            etcd: None,
            backups: None,
            no_backup: None,
            replaced_data: Vec::new(),
            accepted: Vec::new(),
            license: None,
            cluster_silence: None,
            notes: Vec::new(),
        }
    }
}
