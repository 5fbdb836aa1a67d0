//! `documents/release.json`: the contents and requirements of a release, as the site reads them.
//!
//! The builder writes it from `release.yaml`, the lock and the fetched content; the planner is a function of it. It
//! contains no text for a user to edit: that is in the release definition, on the vendor's side.

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

/// Prefix of values that the planner computes on site and that cannot be set.
pub const COMPUTED_PREFIX: &str = "cluster.";

/// The release, as the planner reads it.
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
    /// Monotonic counter; sites refuse a lower one.
    pub counter: u64,
    /// True if any image was assembled for tests, so that only a development key may have signed.
    pub assembled: bool,
    /// Platform of every image, such as `linux/amd64`.
    pub platform: String,
    /// Kubernetes and its parts, in the order in which they may be installed; the last one is the final version.
    pub node_packs: Vec<NodePack>,
    /// Container images, in the order in which they are needed.
    pub images: Vec<ImageEntry>,
    /// All other content, as OCI artifacts.
    pub artifacts: Vec<ArtifactEntry>,
    /// Components, sorted so that each comes after its dependencies.
    pub components: Vec<ComponentEntry>,
    /// Values that a site may set, and the fields that they fill.
    pub values: Vec<SiteValue>,
    /// Requirements for a node.
    pub requirements: Requirements,
    /// Additional requirements of the vendor for a host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Versions that may be upgraded to this one; without the list, every earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrades: Option<Vec<UpgradePath>>,
    /// Seconds for which an upgrade watches the release before it is committed; `None` without a soak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soak_seconds: Option<u64>,
    /// Proofs that the release works at its site, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proofs: Vec<Proof>,
    /// Signatures and attestations of the images, which the bundle contains with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<SignatureEntry>,
}

impl ReleaseDocument {
    /// Maximum time in seconds for which an upgrade may watch a release: a day.
    pub const LONGEST_SOAK_SECONDS: u64 = 86_400;

    /// Reads the bytes of [`RELEASE_DOCUMENT_NAME`] from a head. Duplicate names, unknown fields, a wrong type, and
    /// invalid names, paths, references or figures are errors. So no path of such a release leads out of the folder to
    /// which it is joined.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let release: Self = read_typed(RELEASE_DOCUMENT_NAME, RELEASE_DOCUMENT_TYPE, bytes)?;
        check::check(&release).map_err(|reason| Error::InvalidDocument {
            name: RELEASE_DOCUMENT_NAME.to_owned(),
            source: reason.into(),
        })?;
        Ok(release)
    }
}

/// An OCI content descriptor, reduced to the fields that Landfall uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Descriptor {
    /// OCI media type.
    pub media_type: String,
    /// Digest of the blob, which is its name.
    pub digest: Sha256,
    /// Size in bytes.
    pub size: u64,
}

/// A container image for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageEntry {
    /// Full upstream reference, such as `docker.io/library/redis:8.10.1`.
    pub reference: String,
    /// The platform manifest.
    pub manifest: Descriptor,
    /// The image configuration.
    pub config: Descriptor,
    /// Layers, base first.
    pub layers: Vec<Descriptor>,
}

/// The purpose of an artifact.
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

/// Name of the artifact with the program that reads facts about GPUs. `landfall build` adds it to releases that need
/// it.
pub const GPU_ARTIFACT: &str = "landfall-gpu";

/// Repository of that artifact in manifests and in the site's registry, without a tag. A vendor's artifact has another
/// name there.
pub const GPU_REPOSITORY: &str = "landfall.internal/gpu";

/// Newest glibc that this program may need, by its two numbers. Preflight requires it of a host, and `landfall build`
/// refuses a program that needs a newer one.
pub const GPU_GLIBC: (u32, u32) = (2, 34);

/// NVIDIA's programs in a node pack that give containers GPUs: the first writes the specification, which names the
/// second.
pub const GPU_TOOLS: [&str; 2] = ["nvidia-ctk", "nvidia-cdi-hook"];

/// Figures of a model that a site's fit determines: the last part of values such as `models.llama.context`.
pub const MODEL_FIGURES: [&str; 4] = ["tensorParallel", "context", "sequences", "memoryBytes"];

/// Prefix of the names of such values.
pub const MODEL_PREFIX: &str = "models.";

/// Returns the model and the figure in the name of a value; `None` for any other value.
pub fn model_figure(name: &str) -> Option<(&str, &str)> {
    let parts = name.strip_prefix(MODEL_PREFIX)?.split_once('.')?;
    Some(parts).filter(|(_, figure)| MODEL_FIGURES.contains(figure))
}

/// A set of files that is in the bundle as an OCI artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactEntry {
    /// Name by which components and node packs refer to it, a DNS label.
    pub name: String,
    /// Purpose of the artifact.
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
    /// Returns true for Landfall's own program that reads facts about GPUs, which runs at a site. A vendor's file with
    /// that name is not this program.
    pub fn is_gpu_program(&self) -> bool {
        let tag = self.reference.strip_prefix(GPU_REPOSITORY);
        self.name == GPU_ARTIFACT && self.kind == ArtifactKind::Files && tag.is_some_and(|tag| tag.starts_with(':'))
    }
}

/// A file of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactFile {
    /// Relative path with `/`, without `.` or `..` components.
    pub path: String,
    /// Layer with the contents of the file.
    pub blob: Descriptor,
    /// Names of links to the file next to it (multi-call programs).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
}

/// Upstream Kubernetes and its dependencies on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePack {
    /// Kubernetes version, such as `v1.36.3`.
    pub kubernetes: String,
    /// Names of artifacts of kind [`ArtifactKind::Node`].
    pub artifacts: Vec<String>,
    /// Reference of the image for each role.
    pub images: BTreeMap<NodeImage, String>,
    /// Oldest glibc with which all programs of its artifacts run, such as `2.34`; `None` if each is linked statically.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glibc: Option<String>,
}

/// Roles of images on a node before any component is applied.
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

/// The Pod Security Standard of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PodSecurity {
    /// Unrestricted; only for the network and storage of the node.
    Privileged,
    /// No known privilege escalations.
    Baseline,
    /// Hardened.
    Restricted,
}

/// A component: the objects of a namespace with a common lifecycle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentEntry {
    /// Name, a DNS label.
    pub name: String,
    /// Namespace of its objects. It is created with Pod Security labels, quota and default-deny policies, unless it is
    /// one of Kubernetes' own.
    pub namespace: String,
    /// Names of the components that must be ready first.
    pub needs: Vec<String>,
    /// Name of the small document with its rendered objects, a JSON array, in the order of application.
    pub objects: String,
    /// Pod Security level enforced in its namespace.
    pub pod_security: PodSecurity,
    /// Hard limits of its `ResourceQuota`, as Kubernetes quantities; empty means no quota.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quota: BTreeMap<String, String>,
    /// Secrets that are generated once on site.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<GeneratedSecret>,
    /// Secrets whose values the site provides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub site_secrets: Vec<SiteSecret>,
    /// Artifacts that its pods mount read-only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<ArtifactMount>,
    /// Seconds until a component that is not ready counts as failed.
    pub ready_seconds: u64,
    /// The component's data, and the effect of an upgrade on it.
    #[serde(default, skip_serializing_if = "ComponentData::is_none")]
    pub data: ComponentData,
    /// Rules for saving and restoring its data: at least one if there is data, otherwise none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backup: Vec<BackupRule>,
    /// Fields of its objects that the site may change. An edit to one of them, or below it, persists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub editable: Vec<EditableField>,
    /// Entitlement, a DNS label, that a license must include before the component is installed or upgraded. Without it,
    /// the component needs no license.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entitlement: Option<String>,
    /// True if this is the site's console: its namespace gets the Secrets with which its pods may call the host. At
    /// most one component is the console.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub console: bool,
    /// Canary that tries the new form in one pod before the rest of an upgrade follows. Without it, all pods change at
    /// once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// True if its pods ask the console about the license: its namespace gets the key that verifies the site's answers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub license_check: bool,
}

impl ComponentEntry {
    /// Secrets in the console's namespace: the keys by which the host recognizes it, and the certificate for browsers.
    pub const CONSOLE_SECRETS: [&str; 2] = ["console-host", "console-certificate"];

    /// `ConfigMap` with the site's public key, in a namespace with pods that have a license check.
    pub const LICENSE_KEY: &str = "landfall-license-key";

    /// The only file in that `ConfigMap`.
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

/// A Secret whose values are generated on site and never leave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratedSecret {
    /// Name of the Secret in the component's namespace.
    pub name: String,
    /// Keys with a random value of this many letters and digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub random: BTreeMap<String, u32>,
    /// Keys with a fixed value, such as a user name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fixed: BTreeMap<String, String>,
    /// Keys with the value of a random key of an earlier component's Secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub copies: BTreeMap<String, SecretKey>,
}

/// A random key of a generated Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretKey {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// Name of the key.
    pub key: String,
}

/// An artifact that pods of a component mount read-only through a claim with this name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactMount {
    /// Name of the artifact.
    pub artifact: String,
    /// Name of the `PersistentVolumeClaim` that the installer creates in the component's namespace.
    pub claim: String,
}

/// A typed value, applied to rendered objects at declared field paths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteValue {
    /// Name in `site.yaml` under `values`, such as `postgres.storage`. Names that begin with `cluster.` are computed by
    /// the planner and cannot be set. A figure of a model, such as `models.llama.context`, is computed unless it is
    /// set.
    pub name: String,
    /// JSON Schema of the value.
    pub schema: serde_json::Value,
    /// Value if the site sets none. Without a default, the objects keep their rendered value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<serde_json::Value>,
    /// Fields that the value fills.
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
