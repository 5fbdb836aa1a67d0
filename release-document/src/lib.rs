//! `documents/release.json`: what a release contains and needs, as the site reads it.
//!
//! The builder writes it from `release.yaml`, the lock and what it fetched; the planner is a function of it. It holds
//! no text that a person must edit: that is the release definition's part, on the vendor's side.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use landfall_bundle_spec::{Error, Result, Sha256, read_typed};

mod backup;
mod canary;
mod check;
pub mod container;
mod fields;
#[cfg(test)]
mod format_tests;
mod gpu_resource;
mod host_pack;
mod node_packs;
mod notes;
mod proof;
mod requirements;
mod room;
mod rule;
mod signature;
mod site_secret;
mod upgrade;

pub use backup::{
    BackupCheck, BackupCheckField, BackupFault, BackupField, BackupHold, BackupHoldField, BackupLog, BackupLogField,
    BackupMarker, BackupRule, ComponentData, HoldUntil,
};
pub use canary::Canary;
pub use gpu_resource::{GPU_RESOURCE, GPU_RESOURCES, GpuPlugin, MIG_RESOURCES, MigStrategy, is_gpu_resource};
pub use host_pack::{
    HOST_PACK_DOCUMENT_NAME, HOST_PACK_DOCUMENT_TYPE, HostPackDocument, HostPackage, HostRecipe, PackageFormat,
};
pub use node_packs::{NodePackFault, check_node_packs};
pub use notes::{NOTES_BYTES, NOTES_DOCUMENT_NAME, NotesFault, check_notes, is_invisible, notes_title};
pub use proof::{
    CommandExpectation, CommandProof, Proof, ProofFault, ProofField, ProofTrial, RequestMethod, RequestProof,
    ResponseExpectation, TextExpectation, Workload, WorkloadKind,
};
pub use requirements::{GpuRequirements, MigRequirement, Requirements};
pub use room::DataRoom;
pub use rule::{Rule, RuleExpression, RuleSeverity, RuleText};
pub use signature::{COSIGN_SUFFIXES, SignatureEntry, SignatureKind, referrers_tag};
pub use site_secret::{
    AuthoritiesValue, FileValue, PasswordValue, SiteSecret, SiteSecretValue, TlsValue, check_certificate_names,
};
pub use upgrade::{UpgradeFault, UpgradeField, UpgradePath, UpgradeRoute, check_upgrades};

/// The `type` of the document.
pub const RELEASE_DOCUMENT_TYPE: &str = "landfall.dev/release/1";

/// Name of the document in the bundle's head.
pub const RELEASE_DOCUMENT_NAME: &str = "documents/release.json";

/// Name of the JSON Schema of the site configuration in the bundle's head.
pub const SITE_SCHEMA_NAME: &str = "documents/site.schema.json";

/// What the names of values begin with that the planner computes on site: they cannot be set.
pub const COMPUTED_PREFIX: &str = "cluster.";

/// The release as the planner reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseDocument {
    /// Always [`RELEASE_DOCUMENT_TYPE`].
    #[serde(rename = "type")]
    pub document_type: String,
    /// Name of the release, a DNS label.
    pub name: String,
    /// Version as the vendor writes it.
    pub version: String,
    /// Monotonic number: sites refuse a lower one.
    pub counter: u64,
    /// Whether any image was assembled for tests, so that only a development key may have signed.
    pub assembled: bool,
    /// Platform of every image, as `linux/amd64`.
    pub platform: String,
    /// Kubernetes and its parts, in the order in which they may be installed; the last is what runs in the end.
    pub node_packs: Vec<NodePack>,
    /// Container images, in the order in which they are needed.
    pub images: Vec<ImageEntry>,
    /// Everything else that travels as an OCI artifact.
    pub artifacts: Vec<ArtifactEntry>,
    /// Components, sorted so that each comes after all that it needs.
    pub components: Vec<ComponentEntry>,
    /// Values that a site may set, and where they are applied.
    pub values: Vec<SiteValue>,
    /// What a node must have.
    pub requirements: Requirements,
    /// What its vendor asks of a host beyond that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Versions that may be upgraded to this one; without the list, every earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrades: Option<Vec<UpgradePath>>,
    /// Seconds for which an upgrade watches the release before it is committed; none where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soak_seconds: Option<u64>,
    /// What shows that the release is of use where it landed, in the order in which it is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proofs: Vec<Proof>,
    /// Signatures and attestations of its images that travel with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<SignatureEntry>,
}

impl ReleaseDocument {
    /// The longest time for which an upgrade may watch a release: a day.
    pub const LONGEST_SOAK_SECONDS: u64 = 86_400;

    /// Reads the bytes of [`RELEASE_DOCUMENT_NAME`] from a head: no name twice, no unknown field, the right type, and names,
    /// paths, references and figures that are what they claim to be: no path of a release that was read leads out of the
    /// folder it is joined to.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let release: Self = read_typed(RELEASE_DOCUMENT_NAME, RELEASE_DOCUMENT_TYPE, bytes)?;
        check::check(&release).map_err(|reason| Error::InvalidDocument {
            name: RELEASE_DOCUMENT_NAME.to_owned(),
            source: reason.into(),
        })?;
        Ok(release)
    }
}

/// An OCI content descriptor, reduced to what Landfall uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Descriptor {
    /// OCI media type.
    pub media_type: String,
    /// Name of the blob.
    pub digest: Sha256,
    /// Bytes.
    pub size: u64,
}

/// One container image for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageEntry {
    /// Full upstream reference, as `docker.io/library/redis:8.10.1`.
    pub reference: String,
    /// The platform manifest.
    pub manifest: Descriptor,
    /// The image configuration.
    pub config: Descriptor,
    /// Layers, base first.
    pub layers: Vec<Descriptor>,
}

/// What an artifact is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactKind {
    /// Files for the node itself.
    Node,
    /// Model weights, as CNCF ModelPack.
    Model,
    /// Python wheels and a requirements file with hashes.
    Wheels,
    /// Tarballs of npm packages.
    Npm,
    /// Any other files.
    Files,
}

/// The platforms that releases and host packs may be for.
pub const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// Name of the artifact with the program that reads facts about GPUs. `landfall build` adds it to releases that need some.
pub const GPU_ARTIFACT: &str = "landfall-gpu";

/// What manifests and the site's registry call it, without a tag. An artifact of a vendor has another name there.
pub const GPU_REPOSITORY: &str = "landfall.internal/gpu";

/// The newest glibc that this program may need, by its two numbers. Preflight asks a host for it, and `landfall build` refuses a program
/// that needs a newer one.
pub const GPU_GLIBC: (u32, u32) = (2, 34);

/// NVIDIA's programs in a node pack with which containers get GPUs: one writes the specification, and it names the other one.
pub const GPU_TOOLS: [&str; 2] = ["nvidia-ctk", "nvidia-cdi-hook"];

/// What a site's fit decides about a model: the last part of values such as `models.llama.context`.
pub const MODEL_FIGURES: [&str; 4] = ["tensorParallel", "context", "sequences", "memoryBytes"];

/// What the names of such values begin with.
pub const MODEL_PREFIX: &str = "models.";

/// The model and the figure that the name of a value names; none for any other value.
pub fn model_figure(name: &str) -> Option<(&str, &str)> {
    let parts = name.strip_prefix(MODEL_PREFIX)?.split_once('.')?;
    Some(parts).filter(|(_, figure)| MODEL_FIGURES.contains(figure))
}

/// A set of files that travels as an OCI artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactEntry {
    /// Name by which components and node packs refer to it, a DNS label.
    pub name: String,
    /// What it is for.
    pub kind: ArtifactKind,
    /// Full upstream reference.
    pub reference: String,
    /// The manifest.
    pub manifest: Descriptor,
    /// The configuration blob.
    pub config: Descriptor,
    /// The files, one per layer.
    pub files: Vec<ArtifactFile>,
}

impl ArtifactEntry {
    /// Whether it is Landfall's own program that reads facts about GPUs, which runs at a site, and not a vendor's file of that name.
    pub fn is_gpu_program(&self) -> bool {
        let tag = self.reference.strip_prefix(GPU_REPOSITORY);
        self.name == GPU_ARTIFACT && self.kind == ArtifactKind::Files && tag.is_some_and(|tag| tag.starts_with(':'))
    }
}

/// One file of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactFile {
    /// Relative path with `/`, without `.` or `..` components.
    pub path: String,
    /// The layer that is this file.
    pub blob: Descriptor,
    /// Names beside it that are links to it (multi-call programs).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
}

/// Upstream Kubernetes and what it needs on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePack {
    /// Kubernetes version, as `v1.36.3`.
    pub kubernetes: String,
    /// Names of artifacts of kind [`ArtifactKind::Node`].
    pub artifacts: Vec<String>,
    /// Reference of the image that plays each role.
    pub images: BTreeMap<NodeImage, String>,
    /// The oldest glibc with which all programs of its artifacts run, such as `2.34`; none where each is linked statically.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glibc: Option<String>,
}

/// Roles that images play on a node before any component is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeImage {
    /// `kube-apiserver`.
    ApiServer,
    /// `kube-controller-manager`.
    ControllerManager,
    /// `kube-scheduler`.
    Scheduler,
    /// `kube-proxy`.
    Proxy,
    /// etcd.
    Etcd,
    /// The sandbox image.
    Pause,
    /// CNCF distribution.
    Registry,
}

impl NodeImage {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::ApiServer,
        Self::ControllerManager,
        Self::Scheduler,
        Self::Proxy,
        Self::Etcd,
        Self::Pause,
        Self::Registry,
    ];
}

/// Pod Security Standard of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PodSecurity {
    /// Unrestricted; for the network and storage of the node only.
    Privileged,
    /// No known privilege escalations.
    Baseline,
    /// Hardened.
    Restricted,
}

/// One component: a namespace's worth of objects with a common life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentEntry {
    /// Name, a DNS label.
    pub name: String,
    /// Namespace of its objects; created with Pod Security labels, quota and default-deny policies unless it is one
    /// of Kubernetes' own.
    pub namespace: String,
    /// Names of components that must be ready first.
    pub needs: Vec<String>,
    /// Name of the small document with its rendered objects, a JSON array, in the order in which they are applied.
    pub objects: String,
    /// Pod Security level enforced in its namespace.
    pub pod_security: PodSecurity,
    /// Hard limits of its `ResourceQuota`, as Kubernetes quantities; empty means no quota.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quota: BTreeMap<String, String>,
    /// Secrets generated on site, once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<GeneratedSecret>,
    /// Secrets whose values the site gives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub site_secrets: Vec<SiteSecret>,
    /// Artifacts that its pods mount read-only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<ArtifactMount>,
    /// Seconds until the component counts as failed when it is not ready.
    pub ready_seconds: u64,
    /// Whether it keeps data, and what an upgrade does with it.
    #[serde(default, skip_serializing_if = "ComponentData::is_none")]
    pub data: ComponentData,
    /// How its data is saved and restored: at least one rule if there is data, otherwise none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backup: Vec<BackupRule>,
    /// Fields of its objects that the site may change: an edit of one of them, or below it, stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub editable: Vec<EditableField>,
    /// What a license must include before it is installed or upgraded, a DNS label; without one it needs no license.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entitlement: Option<String>,
    /// Whether it is the site's console: its namespace gets the Secrets by which its pods may ask the host. At most one
    /// component is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub console: bool,
    /// How an upgrade tries its new form in one pod before the rest follows; without one, all of it changes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Whether its pods ask the console about the license: its namespace gets the key by which they know the site's answers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub license_check: bool,
}

impl ComponentEntry {
    /// The Secrets that the namespace of the console gets: the keys by which the host knows it, and the certificate that browsers
    /// see.
    pub const CONSOLE_SECRETS: [&str; 2] = ["console-host", "console-certificate"];

    /// The `ConfigMap` with the site's public key in a namespace that has pods with a license check.
    pub const LICENSE_KEY: &str = "landfall-license-key";

    /// Its only file.
    pub const LICENSE_KEY_FILE: &str = "key.pem";
}

/// A field of a component's object that the site may change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditableField {
    /// Kind of the object.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// JSON Pointer (RFC 6901) to the field.
    pub path: String,
}

/// A Secret whose values are generated on site and never travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratedSecret {
    /// Name of the Secret in the component's namespace.
    pub name: String,
    /// Keys with a random value of so many letters and digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub random: BTreeMap<String, u32>,
    /// Keys with a fixed value, such as a user name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fixed: BTreeMap<String, String>,
}

/// An artifact that pods of a component mount read-only through a claim of this name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactMount {
    /// Name of the artifact.
    pub artifact: String,
    /// Name of the `PersistentVolumeClaim` that the installer makes in the component's namespace.
    pub claim: String,
}

/// A typed value, applied to rendered objects at declared field paths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteValue {
    /// Name in `site.yaml` under `values`, as `postgres.storage`; names that begin with `cluster.` are computed by
    /// the planner and cannot be set; a figure of a model, such as `models.llama.context`, is computed where it is not set.
    pub name: String,
    /// JSON Schema of the value.
    pub schema: serde_json::Value,
    /// Value where the site sets none; without one, the objects keep what they were rendered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<serde_json::Value>,
    /// Where it is applied.
    pub targets: Vec<ValueTarget>,
}

/// A field of a rendered object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueTarget {
    /// Name of the component.
    pub component: String,
    /// Kind of the object.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// JSON Pointer (RFC 6901) of the field, which must exist after rendering.
    pub path: String,
}
