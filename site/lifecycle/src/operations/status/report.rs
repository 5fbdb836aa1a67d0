//! The status report and its parts, as they are printed.

use std::path::PathBuf;

use landfall_cluster::ComponentStatus;
use landfall_engine::journal::{Holder, RecordedError};
use landfall_engine::plan::Operation;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    AgentStatus, BackupsStatus, CertificatesStatus, ClockStatus, DiskStatus, EtcdStatus, FirewallStatus, GpusStatus,
    MemoryStatus, ModelStatus, NodeStatus, ServiceAddresses, Verdict,
};
use crate::license::LicenseStatus;
use crate::preflight::AcceptedWarning;
use crate::replaced_data::ReplacedData;

/// The state of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
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
}

/// Everything that status reports.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    /// What all of it comes to.
    pub verdict: Verdict,
    /// The state of the site.
    pub state: SiteState,
    /// Whether all that should run is ready: release installed, agent, nodes, firewall, every component of the release, registry,
    /// certificates, clock, disk, etcd.
    pub ready: bool,
    /// The release, installed or on its way.
    pub release: Option<ReleaseStatus>,
    /// Its latest operation.
    pub operation: Option<OperationStatus>,
    /// The host's agent.
    pub agent: Option<AgentStatus>,
    /// Nodes of the cluster.
    pub nodes: Vec<NodeStatus>,
    /// Whether the cluster's service addresses answer; none where the cluster was not asked.
    pub service_addresses: Option<ServiceAddresses>,
    /// Whether the host's firewalls let packets of pods pass; none where nothing is installed.
    pub firewall: Option<FirewallStatus>,
    /// Components of the release.
    pub components: Vec<ComponentStatus>,
    /// The site's registry.
    pub registry: Option<RegistryStatus>,
    /// The site's certificates; none where there is no control plane.
    pub certificates: Option<CertificatesStatus>,
    /// The machine's clock; none where nothing is installed.
    pub clock: Option<ClockStatus>,
    /// NVIDIA's GPUs; none where there are none, or nothing is installed. They never keep a site from being ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<GpusStatus>,
    /// Models of the release, in its order; none where it describes none. They never keep a site from being ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelStatus>,
    /// Space of the data folder.
    pub disk: Option<DiskStatus>,
    /// Memory of the machine; none where nothing is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryStatus>,
    /// The cluster's own database; none where there is none.
    pub etcd: Option<EtcdStatus>,
    /// Backups of the site's data; none where none was ever made.
    pub backups: Option<BackupsStatus>,
    /// Why the site's data would be lost with its machine: there is no backup. None where one exists, or the release has no data to save. It
    /// never keeps a site from being ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_backup: Option<String>,
    /// What undone changes found in volumes whose data they had changed: it is kept until a person removes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced_data: Vec<ReplacedData>,
    /// The warnings that a person accepted before the release came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<AcceptedWarning>,
    /// The site's license; none where there is none and none is needed. It never keeps a site from being ready.
    pub license: Option<LicenseStatus>,
    /// Why nothing is known of nodes and components, which is among the notes, too: the API server does not answer. What runs continues. None
    /// where it answers, or where there is no cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_silence: Option<String>,
    /// What a person should know besides.
    pub notes: Vec<String>,
}

/// A release on a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseStatus {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Counter.
    pub counter: u64,
    /// Id of its bundle.
    pub bundle: String,
    /// Fingerprint of the root document that is trusted.
    pub root: String,
    /// Whether that root is for development only.
    pub development: bool,
    /// Where its trust came from.
    pub trust: String,
}

/// An operation, by its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationStatus {
    /// What it does.
    pub operation: Operation,
    /// Who runs it now.
    pub running: Option<Holder>,
    /// Sequence of its last record.
    pub record: u64,
    /// When that was written.
    pub at: Option<String>,
    /// The journal's file.
    pub journal: PathBuf,
    /// The step that is next, or in progress.
    pub step: Option<StepReport>,
}

/// A step, by the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    /// 1 for the first.
    pub index: usize,
    /// All the steps.
    pub count: usize,
    /// Its id.
    pub id: String,
    /// What it does.
    pub title: String,
    /// Its state.
    pub status: &'static str,
    /// Why it failed last.
    pub failure: Option<RecordedError>,
    /// What it found that is not Landfall's.
    pub blocked: Option<String>,
    /// Whether a person must remove what stopped it, before it can continue.
    pub stuck: bool,
}

/// Where a component is reached within the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Its component.
    pub component: String,
    /// Name within the cluster.
    pub name: String,
    /// Address within the cluster; none where the name leads to the pods themselves.
    pub address: Option<String>,
    /// Ports.
    pub ports: Vec<u64>,
}

/// The registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistryStatus {
    /// Where it listens.
    pub address: String,
    /// Whether it answers.
    pub ready: bool,
    /// Why it does not.
    pub reason: Option<String>,
    /// Blobs of the release that are staged.
    pub staged_blobs: usize,
    /// Blobs of the release.
    pub blobs: usize,
    /// Bytes of the staged blobs.
    pub staged_bytes: u64,
}

impl StatusReport {
    /// Returns true if everything that should run is ready.
    pub(super) fn is_ready(&self) -> bool {
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
    pub(super) fn absent(disk: Option<DiskStatus>) -> Self {
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
