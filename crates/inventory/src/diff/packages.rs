//! Packages that differ, image by image; the same change in several images is listed once.

use std::collections::{BTreeMap, BTreeSet};

use landfall_documents::releases::Changes;
use schemars::JsonSchema;
use serde::Serialize;

use super::images;
use crate::document::InventoryDocument;
use crate::package::PackageKind;

/// Package that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackageChange {
    /// Manager of the package.
    pub kind: PackageKind,
    /// Name of the package.
    pub name: String,
    /// Architecture of the package, if it has one.
    pub architecture: Option<String>,
    /// Versions in the first bundle; empty if the package was added.
    pub from: Vec<String>,
    /// Versions in the second bundle; empty if the package was removed.
    pub to: Vec<String>,
    /// Images in which it differs, by their names in the second bundle, or in the first if the second no longer has
    /// them.
    pub images: Vec<String>,
}

type Identity = (PackageKind, String, Option<String>);
type Versions = BTreeMap<Identity, BTreeSet<String>>;

pub(super) fn changes(from: &InventoryDocument, to: &InventoryDocument) -> Changes<PackageChange, PackageChange> {
    let mut images_of: BTreeMap<(Identity, Vec<String>, Vec<String>), Vec<String>> = BTreeMap::new();
    for (old, new) in images::pairs(&references(from), &references(to)) {
        let (before, after) = (versions(from, old), versions(to, new));
        let image = new.or(old).unwrap_or_default();
        for identity in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            let listed = |versions: &Versions| -> Vec<String> {
                versions.get(identity).into_iter().flatten().cloned().collect()
            };
            let (before, after) = (listed(&before), listed(&after));
            if before != after {
                images_of.entry((identity.clone(), before, after)).or_default().push(image.to_owned());
            }
        }
    }
    let mut changes = Changes::default();
    for (((kind, name, architecture), from, to), images) in images_of {
        let list = match (from.is_empty(), to.is_empty()) {
            (true, _) => &mut changes.added,
            (_, true) => &mut changes.removed,
            _ => &mut changes.changed,
        };
        list.push(PackageChange { kind, name, architecture, from, to, images });
    }
    changes
}

fn references(inventory: &InventoryDocument) -> Vec<&str> {
    inventory.images.iter().map(|image| image.reference.as_str()).collect()
}

/// The versions of each package of an image.
fn versions(inventory: &InventoryDocument, reference: Option<&str>) -> Versions {
    let mut versions = Versions::new();
    let image = reference.and_then(|reference| inventory.image(reference));
    for package in image.into_iter().flat_map(|image| inventory.packages_of(image)) {
        let identity = (package.kind, package.name.clone(), package.architecture.clone());
        versions.entry(identity).or_default().insert(package.version.clone());
    }
    versions
}
