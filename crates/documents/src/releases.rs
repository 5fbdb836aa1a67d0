//! Releases that a site keeps: output of `landfall releases`.

use landfall_bundle_spec::Sha256;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Releases that a site keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseList {
    /// Releases, the installed one first.
    pub releases: Vec<KeptReleaseStatus>,
    /// Difference between the two kept releases; absent if the site keeps one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<ReleaseDifference>,
}

/// Release that the site keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeptReleaseStatus {
    /// Name of the release.
    pub name: String,
    /// Version of the release.
    pub version: String,
    /// Counter of the release.
    pub counter: u64,
    /// ID of its bundle.
    pub bundle: String,
    /// True if it is the installed release.
    pub installed: bool,
    /// Vendor's release notes, as Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// Difference between two releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseDifference {
    /// Earlier version.
    pub from: String,
    /// Later version.
    pub to: String,
    /// Components, by name; a changed one has objects that differ.
    #[serde(default)]
    #[schemars(!default)]
    pub components: Names,
    /// Images, by repository.
    #[serde(default)]
    #[schemars(!default)]
    pub images: Changes<ImageState, ImageChange>,
}

/// Names of added, removed and changed entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Names {
    /// Names only in the second bundle.
    #[serde(default)]
    #[schemars(!default)]
    pub added: Vec<String>,
    /// Names only in the first bundle.
    #[serde(default)]
    #[schemars(!default)]
    pub removed: Vec<String>,
    /// Names in both bundles whose entries differ.
    #[serde(default)]
    #[schemars(!default)]
    pub changed: Vec<String>,
}

impl Names {
    /// Returns true if nothing differs.
    pub fn is_none(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// Entries that were added, removed or changed from the first bundle to the second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ChangesOf{One}And{Change}")]
pub struct Changes<One, Change> {
    /// Entries only in the second bundle.
    #[serde(default = "Vec::new")]
    #[schemars(!default)]
    pub added: Vec<One>,
    /// Entries only in the first bundle.
    #[serde(default = "Vec::new")]
    #[schemars(!default)]
    pub removed: Vec<One>,
    /// Entries that are in both bundles and differ.
    #[serde(default = "Vec::new")]
    #[schemars(!default)]
    pub changed: Vec<Change>,
}

impl<One, Change> Default for Changes<One, Change> {
    fn default() -> Self {
        Self { added: Vec::new(), removed: Vec::new(), changed: Vec::new() }
    }
}

impl<One, Change> Changes<One, Change> {
    /// Returns true if nothing differs.
    pub fn is_none(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// Image of one bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageState {
    /// Full upstream reference.
    pub reference: String,
    /// Digest of its manifest.
    #[schemars(with = "String")]
    pub digest: Sha256,
    /// Bytes of manifest, configuration and layers.
    pub bytes: u64,
}

/// Image of both bundles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageChange {
    /// State in the first bundle.
    pub from: ImageState,
    /// State in the second bundle.
    pub to: ImageState,
}
