//! The report of `landfall lock` about the images of a release.

use landfall_bundle_spec::Sha256;
use schemars::JsonSchema;
use serde::Serialize;

use crate::lock::ChangedKind;

/// What was found where a release names images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockFindings {
    /// Images that the lock did not have, and has now.
    pub added: Vec<AddedImage>,
    /// Entries that nothing of this release uses. They stay, since another release may use the same lock. Where a component could not be
    /// rendered, no image is among them.
    pub unused: Vec<UnusedEntry>,
    /// Images that are named and could not be added.
    pub unlisted: Vec<UnlistedImage>,
    /// What looks like an image, and is not known to be one. `landfall build` refuses it until the release says what it is.
    pub in_doubt: Vec<ImageInDoubt>,
    /// Components whose objects were not looked at.
    pub unrendered: Vec<UnrenderedComponent>,
}

/// An image that was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddedImage {
    /// The reference of its entry.
    pub reference: String,
    /// Digest of the platform's manifest.
    #[schemars(with = "String")]
    pub digest: Sha256,
    /// The components whose objects name it; `nodePacks[0]` for a node pack of the definition.
    pub used_by: Vec<String>,
}

/// An entry that nothing of the release uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnusedEntry {
    /// What it is.
    pub kind: ChangedKind,
    /// Its reference.
    pub entry: String,
}

/// An image that is named, and that a person must decide about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnlistedImage {
    /// The component whose object names it; `nodePacks[0]` for a node pack of the definition.
    pub used_by: String,
    /// File, object and field, and why there is no entry.
    pub problem: String,
}

/// A text that looks like an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageInDoubt {
    /// The component.
    pub component: String,
    /// The object, such as `Deployment/web`.
    pub object: String,
    /// JSON Pointer of the text in it.
    pub path: String,
    /// The part of the text that looks like an image.
    pub text: String,
}

/// A component that could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnrenderedComponent {
    /// Its name.
    pub component: String,
    /// Why: the error that a build would end with, with its code; or that the chart is not here yet.
    pub problem: String,
}
