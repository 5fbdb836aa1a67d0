//! The host's documents, as far as pages show them. Their JSON Schemas, which describe each field, are in
//! `docs/schemas`. Unknown fields are ignored, and every optional field may be missing.

use serde::Deserialize;

use super::{BackupTimes, Gpus, Model};

/// Verdict of a status. A verdict of a newer version is unknown to this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that should run is ready.
    Ready,
    /// Something is not ready.
    NotReady,
    /// Nothing is installed.
    Absent,
    /// An operation is running or was interrupted.
    Unfinished,
    /// An operation needs a person.
    Stuck,
    /// Verdict of a newer version.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Output of `landfall status`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub verdict: Verdict,
    pub release: Option<Release>,
    pub operation: Option<Operation>,
    pub agent: Option<Agent>,
    #[serde(default)]
    pub nodes: Vec<NodeStatus>,
    pub service_addresses: Option<Part>,
    #[serde(default)]
    pub firewall: Option<Part>,
    #[serde(default)]
    pub components: Vec<ComponentStatus>,
    pub registry: Option<Registry>,
    pub certificates: Option<CertificatesStatus>,
    pub clock: Option<Clock>,
    #[serde(default)]
    pub gpus: Option<Gpus>,
    #[serde(default)]
    pub models: Vec<Model>,
    pub disk: Option<Disk>,
    pub memory: Option<Memory>,
    pub etcd: Option<Etcd>,
    pub backups: Option<BackupsStatus>,
    pub license: Option<License>,
    /// Reason why nothing is known of nodes and components: the cluster's API server does not answer.
    #[serde(default)]
    pub cluster_silence: Option<String>,
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A part of the host, with the reason if it is not ready.
#[derive(Debug, Clone, Deserialize)]
pub struct Part {
    pub ready: bool,
    pub reason: Option<String>,
}

/// The installed release.
#[derive(Debug, Clone, Deserialize)]
pub struct Release {
    pub name: String,
    pub version: String,
    pub counter: u64,
    #[serde(default)]
    pub development: bool,
    #[serde(default)]
    pub bundle: String,
    #[serde(default)]
    pub root: String,
    #[serde(default)]
    pub trust: String,
}

/// The latest operation.
#[derive(Debug, Clone, Deserialize)]
pub struct Operation {
    #[serde(rename = "operation")]
    pub name: String,
    pub running: Option<Holder>,
    pub at: Option<String>,
    pub step: Option<Step>,
}

/// Process that runs an operation.
#[derive(Debug, Clone, Deserialize)]
pub struct Holder {
    pub started: String,
}

/// A step of an operation.
#[derive(Debug, Clone, Deserialize)]
pub struct Step {
    pub index: usize,
    pub count: usize,
    pub title: String,
    pub failure: Option<Failure>,
    pub blocked: Option<String>,
    #[serde(default)]
    pub stuck: bool,
}

/// Failure of a step.
#[derive(Debug, Clone, Deserialize)]
pub struct Failure {
    pub code: String,
    pub what: String,
    #[serde(default)]
    pub hint: String,
}

/// The host's agent.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    #[serde(flatten)]
    pub part: Part,
    pub last_kubelet_error: Option<String>,
}

/// A node.
#[derive(Debug, Clone, Deserialize)]
pub struct NodeStatus {
    pub name: String,
    pub address: String,
    pub kubernetes: String,
    #[serde(flatten)]
    pub part: Part,
    #[serde(default)]
    pub pressures: Vec<String>,
}

/// A component.
#[derive(Debug, Clone, Deserialize)]
pub struct ComponentStatus {
    pub component: String,
    pub namespace: String,
    pub release: String,
    pub ready: usize,
    pub total: usize,
    #[serde(default)]
    pub reasons: Vec<String>,
}

/// The registry.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registry {
    pub address: String,
    #[serde(flatten)]
    pub part: Part,
    pub staged_blobs: usize,
    pub blobs: usize,
    pub staged_bytes: u64,
}

/// The certificates.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificatesStatus {
    #[serde(flatten)]
    pub part: Part,
    pub soonest_end: Option<String>,
    #[serde(default)]
    pub certificates: Vec<Certificate>,
}

/// A certificate.
#[derive(Debug, Clone, Deserialize)]
pub struct Certificate {
    pub file: String,
    pub ends: Option<String>,
    pub problem: Option<String>,
}

/// The machine's clock.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Clock {
    #[serde(flatten)]
    pub part: Part,
    pub now: String,
    pub earlier_than: Option<String>,
}

/// Space of the data folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    #[serde(flatten)]
    pub part: Part,
    pub folder: String,
    pub total_bytes: u64,
    pub free_bytes: u64,
}

/// Memory of the machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    pub total_bytes: u64,
    pub available_bytes: u64,
}

/// The cluster's database.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Etcd {
    #[serde(flatten)]
    pub part: Part,
    pub size_bytes: u64,
    pub quota_bytes: u64,
}

/// Summary of the backups.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupsStatus {
    pub count: usize,
    pub newest_proven: Option<String>,
    pub reason: Option<String>,
    pub last_try: Option<BackupTry>,
    #[serde(default)]
    pub copies: Vec<CopyRecord>,
    #[serde(default)]
    pub logs: Vec<LogStatus>,
}

/// Latest attempt at a backup.
#[derive(Debug, Clone, Deserialize)]
pub struct BackupTry {
    pub at: String,
    pub failure: Option<BackupFailure>,
    /// True if a drill has proven the newest backup since the failure.
    #[serde(default)]
    pub mended: bool,
}

/// Failure of a backup.
#[derive(Debug, Clone, Deserialize)]
pub struct BackupFailure {
    pub code: String,
    pub what: String,
}

impl BackupsStatus {
    /// Returns why the latest attempt failed, unless a drill has proven the newest backup since.
    pub fn failed_last(&self) -> Option<(&BackupTry, &BackupFailure)> {
        let last = self.last_try.as_ref().filter(|last| !last.mended)?;
        Some((last, last.failure.as_ref()?))
    }
}

/// Latest copy to a folder.
#[derive(Debug, Clone, Deserialize)]
pub struct CopyRecord {
    pub folder: String,
    pub tried: Option<String>,
    pub newest: Option<String>,
    pub reason: Option<String>,
}

/// Coverage of a stream's log.
#[derive(Debug, Clone, Deserialize)]
pub struct LogStatus {
    pub stream: String,
    pub reason: Option<String>,
}

/// Output of `landfall license show`.
#[derive(Debug, Clone, Deserialize)]
pub struct LicenseDocument {
    pub license: Option<License>,
    #[serde(default)]
    pub identifiers: Vec<String>,
}

/// The license, and the components that need it.
#[derive(Debug, Clone, Deserialize)]
pub struct License {
    pub terms: Option<Terms>,
    #[serde(default)]
    pub needs: Vec<Need>,
    pub date: Option<TrustedDate>,
    #[serde(default)]
    pub notes: Vec<String>,
}

/// The terms of a license.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    pub id: String,
    pub vendor: String,
    pub customer: String,
    pub contact: String,
    pub release: String,
    pub issued: String,
    pub not_before: String,
    pub ends: Option<String>,
    pub grace_ends: Option<String>,
    #[serde(default)]
    pub overage_percent: u64,
    #[serde(default)]
    pub entitlements: Entitlements,
    pub standing: String,
    pub permits: bool,
    pub days_left: Option<u64>,
    pub text: String,
}

/// Entitlements of a license.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Entitlements {
    pub components: Vec<String>,
    pub features: Vec<String>,
    pub namespaces: Option<u64>,
    pub nodes: Option<u64>,
    pub gpus: Option<u64>,
    pub users: Option<u64>,
    pub newest_release: Option<String>,
}

/// Output of `landfall license usage`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    pub measured: Option<String>,
    pub since: Option<String>,
    #[serde(default)]
    pub days: u64,
    #[serde(default)]
    pub unmeasured_days: u64,
    #[serde(default)]
    pub limits: Vec<LimitUse>,
    pub site_key: Option<String>,
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Usage of a limit.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitUse {
    pub metric: String,
    pub now: Option<u64>,
    pub limit: Option<u64>,
    pub most: Option<u64>,
    pub peak: Option<u64>,
    pub peak_on: Option<String>,
    #[serde(default)]
    pub overage_days: u64,
    #[serde(default)]
    pub excess_days: u64,
}

/// Need of a component.
#[derive(Debug, Clone, Deserialize)]
pub struct Need {
    pub component: String,
    pub entitlement: String,
    pub granted: bool,
}

/// Date by which licenses are judged.
#[derive(Debug, Clone, Deserialize)]
pub struct TrustedDate {
    pub now: String,
    pub clock: String,
    pub agrees: bool,
}

/// Output of `landfall backup list`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backups {
    #[serde(rename = "backups")]
    pub stored: Vec<Backup>,
    #[serde(default)]
    pub points_in_time: Vec<PointsInTime>,
    pub schedule: Option<BackupTimes>,
    pub last_drill: Option<BackupTry>,
    /// Latest backup that did not begin because another operation was running.
    pub last_refusal: Option<BackupTry>,
}

/// A backup.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    pub id: String,
    pub time: String,
    pub release: String,
    pub version: String,
    pub reason: String,
    pub proven: Option<String>,
    #[serde(default)]
    pub cut: Option<Cut>,
    pub size_bytes: u64,
    #[serde(default)]
    pub streams: Vec<Stream>,
}

/// Time of the common cut of several components' data.
#[derive(Debug, Clone, Deserialize)]
pub struct Cut {
    pub time: String,
    pub streams: Vec<CutStream>,
}

/// A stream that a cut covers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CutStream {
    pub name: String,
    #[serde(default)]
    pub held_milliseconds: Option<u64>,
}

/// A stream of a backup.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    pub name: String,
    pub size_bytes: u64,
}

/// Period in which every point in time can be restored.
#[derive(Debug, Clone, Deserialize)]
pub struct PointsInTime {
    pub stream: String,
    pub from: String,
    pub until: String,
    /// Part of the period that a drill has proven.
    #[serde(default)]
    pub proven: Option<ProvenPoints>,
}

/// Ends of the proven part.
#[derive(Debug, Clone, Deserialize)]
pub struct ProvenPoints {
    pub from: String,
    pub until: String,
}
