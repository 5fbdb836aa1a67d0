//! `release.yaml`: the definition that a vendor writes, read strictly and checked as a whole before any fetch.

mod backup;
mod canary;
mod chart;
mod check;
mod completeness;
mod component_file;
mod image_fields;
mod license_check;
mod notes;
mod order;
mod placeholders;
mod proofs;
mod quantity;
mod requirements;
mod site_secrets;
mod sources;
#[cfg(test)]
mod tests;
mod traffic;
mod upgrades;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_release_document::{ArtifactKind, ComponentData, NodeImage, PodSecurity, Rule, SiteSecret};
use serde::Deserialize;
use serde_saphyr::Spanned;

pub use backup::{
    AppliedPreset, BackupDefinition, BackupEntry, CheckDefinition, ContainerNeeds, HoldDefinition, HoldUntilDefinition,
    LogDefinition, MarkerDefinition, UnsavedDefinition,
};
pub use canary::CanaryDefinition;
pub(crate) use chart::needed_by;
pub use chart::{ChartDefinition, ObjectSource};
pub use check::role_name;
pub(crate) use check::{check, is_label};
pub use completeness::{Property, Without};
pub use component_file::{ComponentFile, FILE_NAME as COMPONENT_FILE};
pub(crate) use component_file::{join as join_files, read as read_files};
pub use image_fields::ImageFieldDefinition;
pub(crate) use image_fields::name_in;
pub use license_check::LicenseCheckForm;
pub use notes::NotesDefinition;
pub(crate) use notes::expand as expand_notes;
pub(crate) use order::order;
pub use placeholders::{FILL_IN, unfinished_lines};
pub(crate) use proofs::ONE_WAY;
pub use proofs::{
    CommandDefinition, CommandExpectationDefinition, ProofDefinition, RequestDefinition, ResponseExpectationDefinition,
    TextDefinition,
};
pub use quantity::Quantity;
pub use requirements::{GpuDefinition, GpuPluginDefinition, Requirements};
pub use sources::{SourceFile, Sources};
pub use traffic::{Audience, OfferDefinition, TransportProtocol};
pub use upgrades::UpgradeDefinition;

use crate::error::Place;
use component_file::unwritten;

/// A release definition that passed every check that needs no lock, registry or rendering.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Path of the file that it was read from.
    pub path: PathBuf,
    /// SHA-256 of the bytes of the file.
    pub digest: Sha256,
    /// This file and those of components.
    pub sources: Sources,
    /// SHA-256 of the bytes of each component's own file, in the order of the listings.
    pub component_files: Vec<Sha256>,
    /// The parsed document.
    pub release: Release,
    /// Indexes of the components in order of dependency: each follows every component that it needs.
    pub order: Vec<usize>,
}

impl Definition {
    /// Resolves a path of the definition, which is relative to its folder, to its shortest form.
    pub fn resolve(&self, relative: &Path) -> PathBuf {
        let joined = self.path.parent().unwrap_or(Path::new("")).join(relative);
        let shorter = without_detours(&joined);
        // If the path crosses a symbolic link, the shorter form may name another place.
        match (joined.canonicalize(), shorter.canonicalize()) {
            (Ok(one), Ok(other)) if one == other => shorter,
            // Nothing is there, which a message says.
            (Err(_), Err(_)) => shorter,
            _ => joined,
        }
    }

    /// Path by which provenance names a file that the definition uses, so that a file has the same name on every
    /// machine.
    ///
    /// `below` is the path of the file below `written`; it is empty if `written` is the file itself. The result is
    /// relative to the folder of the definition. If an absolute path leads out of that folder, the name of the
    /// component takes its place.
    pub fn provenance_path(&self, component: &str, written: &Path, below: &Path) -> String {
        let relative = written.strip_prefix(".").unwrap_or(written);
        let inside = if written.is_absolute() { self.inside(written) } else { Some(relative.to_owned()) };
        let stated = match inside {
            Some(inside) => without_detours(&inside.join(below)),
            None if below == Path::new("") => Path::new(component).join(written.file_name().unwrap_or_default()),
            None => Path::new(component).join(without_detours(below)),
        };
        stated.display().to_string()
    }

    /// Converts an absolute path to one relative to the definition's folder; `None` if it leads out of that folder.
    fn inside(&self, absolute: &Path) -> Option<PathBuf> {
        // A bare file name has an empty path as its parent, and `canonicalize` rejects an empty path.
        let folder = self.path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let real = |path: &Path| path.canonicalize().ok();
        Some(real(absolute)?.strip_prefix(real(folder)?).ok()?.to_owned())
    }

    /// Place of a field in the file.
    pub fn place<T>(&self, at: &Spanned<T>, field: impl AsRef<str>) -> Place {
        self.sources.place(at.referenced, field)
    }
}

/// Shortens a path: `a/b/../c` becomes `a/c`.
pub(crate) fn without_detours(path: &Path) -> PathBuf {
    let mut shorter = PathBuf::new();
    for component in path.components() {
        let goes_back = component == Component::ParentDir;
        if goes_back && matches!(shorter.components().next_back(), Some(Component::Normal(_))) {
            shorter.pop();
        } else {
            shorter.push(component);
        }
    }
    shorter
}

/// The fields of `release.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Release {
    /// Name of the release, a DNS label.
    pub name: Spanned<String>,
    /// Version as the vendor writes it: letters, digits, `.`, `+` and `-`.
    pub version: Spanned<String>,
    /// Monotonic number: sites refuse a lower one. Each release that customers receive has a greater one.
    pub counter: Spanned<u64>,
    /// Release notes, as Markdown.
    #[serde(default)]
    pub notes: Option<Spanned<NotesDefinition>>,
    /// Text of the release notes, after it was read.
    #[serde(skip)]
    pub notes_text: Option<String>,
    /// Remarks on the rendering for users: the results of look-ups, and the objects that were dropped.
    #[serde(skip)]
    pub remarks: Vec<String>,
    /// Versions that can be upgraded to this one; if absent, every earlier version.
    #[serde(default)]
    pub upgrades: Option<Vec<UpgradeDefinition>>,
    /// Seconds for which an upgrade watches the release before it commits; by default none.
    #[serde(default)]
    pub soak_seconds: Option<Spanned<u64>>,
    /// Platform of every image, such as `linux/amd64`.
    pub platform: Spanned<String>,
    /// Path of the lock, relative to this file.
    pub lock: PathBuf,
    /// Requirements for a node.
    pub requirements: Requirements,
    /// Further requirements of the vendor for a host, as expressions over its facts.
    #[serde(default)]
    pub rules: Vec<Spanned<Rule>>,
    /// Kubernetes and its parts, in the order in which they may be installed.
    pub node_packs: Vec<NodePackDefinition>,
    /// Everything that travels as an OCI artifact, other than images.
    #[serde(default)]
    pub artifacts: Vec<ArtifactDefinition>,
    /// Components as the release lists them, in any order.
    #[serde(rename = "components")]
    pub listings: Vec<ComponentListing>,
    /// Each listed component with its own file, in the same order. Charts add components for their hooks.
    #[serde(skip)]
    pub components: Vec<ComponentDefinition>,
    /// Values that a site may set, those of components first.
    #[serde(default)]
    pub values: Vec<ValueDefinition>,
    /// Proofs that show at a site that the release works, in the order in which they run.
    #[serde(default)]
    pub proofs: Vec<ProofDefinition>,
    /// Fields of rendered objects that hold images, in addition to the fields that Landfall knows.
    #[serde(default)]
    pub image_fields: Vec<ImageFieldDefinition>,
}

/// One Kubernetes version and its parts.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodePackDefinition {
    /// Kubernetes minor version, such as `v1.36`; the lock pins the patch version.
    pub kubernetes: Spanned<String>,
    /// Names of artifacts of kind `node`.
    pub artifacts: Vec<Spanned<String>>,
    /// The image of each role, as it is named in the lock.
    pub images: BTreeMap<NodeImage, Spanned<String>>,
}

/// An OCI artifact of the release that is not an image.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArtifactDefinition {
    /// Name by which the rest of the definition refers to it, a DNS label.
    pub name: Spanned<String>,
    /// Purpose of the artifact.
    pub kind: ArtifactKind,
    /// Reference of the artifact, as named in the lock.
    pub reference: Spanned<String>,
}

/// A component as a release lists it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentListing {
    /// Name, a DNS label.
    pub name: Spanned<String>,
    /// Folder with its `component.yaml`, relative to the definition.
    pub from: Spanned<PathBuf>,
    /// Namespace of its objects.
    pub namespace: Spanned<String>,
    /// Names of components that must be ready first, in addition to those of its own file.
    #[serde(default)]
    pub needs: Vec<Spanned<String>>,
    /// Names of components that its pods connect to, in addition to those of its own file.
    #[serde(default)]
    pub reaches: Vec<Spanned<String>>,
    /// Entitlement in place of that of its own file.
    #[serde(default)]
    pub entitlement: Option<Spanned<String>>,
}

/// One component, as its own file and its listing describe it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComponentDefinition {
    /// Name of its listing.
    #[serde(skip, default = "unwritten")]
    pub name: Spanned<String>,
    /// Index of the component from whose chart's hooks this one was made; `None` for a component of the definition.
    #[serde(skip)]
    pub hooks_of: Option<usize>,
    /// Folder with its kustomization, relative to the definition; in its own file, relative to that file.
    #[serde(default)]
    pub manifests: Option<Spanned<PathBuf>>,
    /// Helm chart that its objects come from, in place of `manifests`.
    #[serde(default)]
    pub chart: Option<Spanned<ChartDefinition>>,
    /// Names of artifacts with wheels or npm packages that it serves inside the site. `build` writes its objects, in
    /// place of `manifests`.
    #[serde(default)]
    pub package_index: Option<Spanned<Vec<Spanned<String>>>>,
    /// Namespace of its listing.
    #[serde(skip, default = "unwritten")]
    pub namespace: Spanned<String>,
    /// Further namespaces that it has objects in: Kubernetes' own, those of other components, or additional ones.
    #[serde(default)]
    pub namespaces: Vec<Spanned<String>>,
    /// Names of the components that must be ready first.
    #[serde(default)]
    pub needs: Vec<Spanned<String>>,
    /// Ports at which its pods serve. If it has any, or reaches a component, `build` writes its network policy.
    #[serde(default)]
    pub offers: Vec<OfferDefinition>,
    /// Names of the components that its pods connect to.
    #[serde(default)]
    pub reaches: Vec<Spanned<String>>,
    /// Pod Security level of its namespace.
    #[serde(default = "default_pod_security")]
    pub pod_security: PodSecurity,
    /// Hard limits of its `ResourceQuota`.
    #[serde(default)]
    pub quota: BTreeMap<String, String>,
    /// Secrets generated on site.
    #[serde(default)]
    pub secrets: Vec<SecretDefinition>,
    /// Secrets whose values the site gives.
    #[serde(default)]
    pub site_secrets: Vec<Spanned<SiteSecret>>,
    /// Artifacts that its pods mount read-only.
    #[serde(default)]
    pub mounts: Vec<MountDefinition>,
    /// Seconds to become ready, after which the component counts as failed.
    #[serde(default = "five_minutes")]
    pub ready_seconds: u64,
    /// Data policy, if the component keeps data: what an upgrade does with that data.
    #[serde(default)]
    pub data: Option<Spanned<ComponentData>>,
    /// Backup rules and presets, as written: how its data is saved and restored.
    #[serde(default)]
    pub backup: Vec<BackupEntry>,
    /// Claims that no backup includes, each with the reason.
    #[serde(default)]
    pub unsaved: Vec<UnsavedDefinition>,
    /// Backup rules with all programs, after presets were expanded.
    #[serde(skip)]
    pub rules: Vec<BackupDefinition>,
    /// Image references outside the fields that are known to name images.
    #[serde(default)]
    pub references: Vec<ReferenceDefinition>,
    /// Words of arguments, environment, `ConfigMap`s and custom resources that look like images but are not.
    #[serde(default)]
    pub not_images: Vec<Spanned<String>>,
    /// Objects that the running software creates in its namespace, such as `Secret/webhook-tls`, and that pods may
    /// name.
    #[serde(default)]
    pub made_on_site: Vec<Spanned<String>>,
    /// Fields of its objects that the site may change: an edit at or below one of them is kept.
    #[serde(default)]
    pub editable: Vec<EditableDefinition>,
    /// Entitlement that a license must grant before it is installed or upgraded, a DNS label.
    #[serde(default)]
    pub entitlement: Option<Spanned<String>>,
    /// True for the site's console: its namespace gets the Secrets with which its pods authenticate to the host.
    #[serde(default)]
    pub console: Option<Spanned<bool>>,
    /// How an upgrade tries the new version in one pod before the other pods follow.
    #[serde(default)]
    pub canary: Option<CanaryDefinition>,
    /// How its pods learn what the license allows; `build` adds the containers that ask.
    #[serde(default)]
    pub license_check: Option<Spanned<Vec<Spanned<LicenseCheckForm>>>>,
    /// Properties that it lacks, each with the reason.
    #[serde(default)]
    pub without: Without,
    /// Values of its own file, which are values of the release.
    #[serde(default)]
    pub values: Vec<ValueDefinition>,
    /// Proofs of its own file, which are proofs of the release.
    #[serde(default)]
    pub proofs: Vec<ProofDefinition>,
    /// Image fields of its own file, which are image fields of the release.
    #[serde(default)]
    pub image_fields: Vec<ImageFieldDefinition>,
}

/// A field that the site may change.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EditableDefinition {
    /// Kind of the rendered object.
    pub kind: String,
    /// Name of the rendered object.
    pub name: String,
    /// JSON Pointer (RFC 6901) to the field.
    pub path: Spanned<String>,
}

impl ComponentDefinition {
    /// Returns true if it has objects in the namespace `name`, its own or another one.
    pub fn has_namespace(&self, name: &str) -> bool {
        self.namespace.value == name || self.namespaces.iter().any(|namespace| namespace.value == name)
    }

    /// Returns true if it is the site's console.
    pub fn is_console(&self) -> bool {
        self.console.as_ref().is_some_and(|console| console.value)
    }
}

const fn default_pod_security() -> PodSecurity {
    PodSecurity::Restricted
}

const fn five_minutes() -> u64 {
    300
}

/// A Secret whose values are generated on site.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretDefinition {
    /// Name of the Secret.
    pub name: Spanned<String>,
    /// Keys with a random value, each with its number of letters and digits.
    #[serde(default)]
    pub random: BTreeMap<String, u32>,
    /// Keys with a fixed value.
    #[serde(default)]
    pub fixed: BTreeMap<String, String>,
    /// Keys with a random value of another component.
    #[serde(default)]
    pub copies: BTreeMap<String, Spanned<CopyDefinition>>,
    /// Random keys that other components may copy.
    #[serde(default)]
    pub shared: Vec<Spanned<String>>,
}

/// A random value of another component.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopyDefinition {
    /// Name of the component.
    pub component: String,
    /// Name of its Secret.
    pub secret: String,
    /// The key in that Secret; by default that of the copy.
    #[serde(default)]
    pub key: Option<String>,
}

impl SecretDefinition {
    /// All keys of the Secret.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.random.keys().chain(self.fixed.keys()).chain(self.copies.keys()).map(String::as_str)
    }
}

/// An artifact that pods mount through a claim.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountDefinition {
    /// Name of the artifact.
    pub artifact: Spanned<String>,
    /// Name of the claim, which is created on site.
    pub claim: Spanned<String>,
}

/// An image reference outside an `image:` field of a rendered object.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceDefinition {
    /// Kind of the object.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// JSON Pointer to a text in the object.
    pub path: Spanned<String>,
    /// The image, as it is named in the lock.
    pub reference: Spanned<String>,
    /// The part of the text to replace, at each occurrence; if absent, the whole text.
    #[serde(default)]
    pub text: Option<String>,
}

/// A typed value that a site may set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueDefinition {
    /// Name of the value in `site.yaml`, under `values`.
    pub name: Spanned<String>,
    /// JSON Schema of the value.
    pub schema: Spanned<serde_json::Value>,
    /// Value if the site sets none.
    #[serde(default)]
    pub default: Option<Spanned<serde_json::Value>>,
    /// Fields that it fills.
    pub targets: Vec<TargetDefinition>,
}

/// A field of a rendered object.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetDefinition {
    /// Name of the component; in a component's own file, that component.
    #[serde(default = "unwritten")]
    pub component: Spanned<String>,
    /// Kind of the object.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// JSON Pointer of the field.
    pub path: Spanned<String>,
}
