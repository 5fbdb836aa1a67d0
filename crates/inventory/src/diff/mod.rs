//! The differences between two bundles, as described by their heads.

mod artifacts;
mod blobs;
mod images;
mod objects;
mod packages;
pub mod text;

use std::collections::BTreeMap;

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::blobs::BlobEntry;
use landfall_bundle_spec::head::Identity;
use landfall_documents::releases::{Changes, ImageChange, ImageState, Names};
use landfall_release_document::ReleaseDocument;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub use artifacts::{ArtifactChange, ArtifactState, FileChange};
pub use blobs::Bytes;
pub use objects::ObjectChange;
pub use packages::PackageChange;

use crate::document::InventoryDocument;

/// One side of a comparison: a bundle, as its head describes it.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Id of the bundle.
    pub id: Sha256,
    /// Name, version and counter of the release.
    pub identity: &'a Identity,
    /// Bytes of the bundle as one stream.
    pub total_bytes: u64,
    /// The release document.
    pub release: &'a ReleaseDocument,
    /// The inventory; `None` if an earlier Landfall built the bundle.
    pub inventory: Option<&'a InventoryDocument>,
    /// Objects of each component.
    pub objects: &'a BTreeMap<String, Value>,
    /// Every blob.
    pub blobs: &'a [BlobEntry],
}

/// Differences between two bundles.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BundleDiff {
    /// First bundle.
    pub from: NamedBundle,
    /// Second bundle.
    pub to: NamedBundle,
    /// Bytes of blobs that the second bundle shares with the first, adds, or drops.
    pub bytes: Bytes,
    /// Images, by repository.
    pub images: Changes<ImageState, ImageChange>,
    /// Packages of images; null if a bundle does not list them.
    pub packages: Option<Changes<PackageChange, PackageChange>>,
    /// Components, by name; a changed one has objects that differ.
    pub components: Names,
    /// Objects of components.
    pub objects: Changes<ObjectChange, ObjectChange>,
    /// Models, wheels, npm packages, programs for the node and other files.
    pub artifacts: Changes<ArtifactState, ArtifactChange>,
    /// Values that a site may set, by name.
    pub values: Names,
}

/// Bundle, as people name it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamedBundle {
    /// ID of the bundle.
    #[schemars(with = "String")]
    pub id: Sha256,
    /// Name of the release.
    pub name: String,
    /// Version of the release.
    pub version: String,
    /// Counter of the release.
    pub counter: u64,
    /// Size of the bundle as one stream, in bytes.
    pub total_bytes: u64,
}

/// Compares two sets of named values.
fn names<T: PartialEq>(from: &BTreeMap<&str, T>, to: &BTreeMap<&str, T>) -> Names {
    let only = |one: &BTreeMap<&str, T>, other: &BTreeMap<&str, T>| {
        one.keys().filter(|name| !other.contains_key(*name)).map(ToString::to_string).collect()
    };
    let changed = to.iter().filter(|(name, there)| from.get(*name).is_some_and(|here| here != *there));
    Names {
        added: only(to, from),
        removed: only(from, to),
        changed: changed.map(|(name, _)| (*name).to_owned()).collect(),
    }
}

/// Compares two bundles.
pub fn diff(from: &Side<'_>, to: &Side<'_>) -> BundleDiff {
    let (old_values, new_values) = (values(from), values(to));
    BundleDiff {
        from: named_bundle(from),
        to: named_bundle(to),
        bytes: blobs::bytes(from, to),
        images: images::changes(from, to),
        packages: from.inventory.zip(to.inventory).map(|(from, to)| packages::changes(from, to)),
        components: names(&borrow_map(from.objects), &borrow_map(to.objects)),
        objects: objects::changes(from.objects, to.objects),
        artifacts: artifacts::changes(from, to),
        values: names(&borrow_map(&old_values), &borrow_map(&new_values)),
    }
}

/// Returns the values that a site may set, as the release declares them.
fn values(side: &Side<'_>) -> BTreeMap<String, Value> {
    let declared = side.release.values.iter();
    // A value that was read from JSON can always be written as JSON.
    declared.map(|value| (value.name.clone(), serde_json::to_value(value).unwrap_or_default())).collect()
}

fn borrow_map<T>(map: &BTreeMap<String, T>) -> BTreeMap<&str, &T> {
    map.iter().map(|(name, value)| (name.as_str(), value)).collect()
}

fn named_bundle(side: &Side<'_>) -> NamedBundle {
    NamedBundle {
        id: side.id,
        name: side.identity.name.clone(),
        version: side.identity.version.clone(),
        counter: side.identity.counter,
        total_bytes: side.total_bytes,
    }
}

#[cfg(test)]
mod tests;
