//! The report of `landfall lock` about the images of a release.

use landfall_bundle_spec::Sha256;
use schemars::JsonSchema;
use serde::Serialize;

use crate::resolution::ChangedKind;

/// Findings about images that a release names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockFindings {
    /// Images that were added to the lock.
    pub added: Vec<AddedImage>,
    /// Entries that this release does not use. They stay, because another release may use the same lock. If a component
    /// could not be rendered, no image is listed here.
    pub unused: Vec<UnusedEntry>,
    /// Named images that could not be added.
    pub unlisted: Vec<UnlistedImage>,
    /// Texts that look like an image, but are not known to be one. `landfall build` refuses them until the release says
    /// what they are.
    pub in_doubt: Vec<ImageInDoubt>,
    /// Components whose objects were not examined.
    pub unrendered: Vec<UnrenderedComponent>,
}

/// Image that was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddedImage {
    /// Reference of its entry.
    pub reference: String,
    /// Digest of the platform's manifest.
    #[schemars(with = "String")]
    pub digest: Sha256,
    /// Components whose objects name the image; `nodePacks[0]` for a node pack of the definition.
    pub used_by: Vec<String>,
}

/// Entry that the release does not use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnusedEntry {
    /// Kind of the entry.
    pub kind: ChangedKind,
    /// Reference of the entry.
    pub entry: String,
}

/// Named image about which a person must decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnlistedImage {
    /// Component whose object names the image; `nodePacks[0]` for a node pack of the definition.
    pub used_by: String,
    /// File, object and field, and the reason why there is no entry.
    pub problem: String,
}

/// Text that looks like an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageInDoubt {
    /// Component of the object.
    pub component: String,
    /// Object, such as `Deployment/web`.
    pub object: String,
    /// JSON Pointer of the text in the object.
    pub path: String,
    /// Part of the text that looks like an image.
    pub text: String,
}

/// Component that could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnrenderedComponent {
    /// Name of the component.
    pub component: String,
    /// Reason: the error with which a build would end, with its code; or that the chart has not been fetched yet.
    pub problem: String,
}
