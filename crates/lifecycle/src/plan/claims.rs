//! Claims through which the pods of a namespace read artifacts. A claim never changes its files. Pods of each release
//! name their own claim, so both releases can be read side by side.

use std::collections::BTreeMap;

use landfall_kinds::{custom::group_kind, is_of_kubernetes};
use landfall_release_document::ComponentEntry;
use serde_json::Value;

use super::components::{ComponentInputs, artifact};
use landfall_engine::step::StepError;
use landfall_site::content::artifact_folder;

/// Hex digits of the artifact's digest in a claim's name.
const DIGITS: usize = 12;

/// Quota limits that count claims or the storage they request. A limit for a storage class ends with these words.
const COUNTED: [&str; 2] = ["persistentvolumeclaims", "requests.storage"];

/// Claims of a namespace: the name in the release mapped to the name in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims(BTreeMap<String, String>);

impl Claims {
    /// Computes the claims of all components in a namespace, whose pods may read each other's. `rendered` holds the
    /// objects of each component of the release.
    pub(super) fn of(
        inputs: &ComponentInputs<'_>,
        rendered: &[Vec<Value>],
        namespace: &str,
    ) -> Result<Self, StepError> {
        let components = || inputs.release.components.iter().zip(rendered).filter(|(it, _)| it.namespace == namespace);
        let is_fixed = components().any(|(component, objects)| is_counted(component) || has_custom_kind(objects));
        let named =
            components().flat_map(|(component, _)| component.mounts.iter().map(move |mount| (component, mount)));
        let named = named.map(|(component, mount)| {
            let folder = artifact_folder(artifact(inputs, component, &mount.artifact)?);
            let name = if is_fixed { mount.claim.clone() } else { format!("{}-{}", mount.claim, &folder[..DIGITS]) };
            Ok((mount.claim.clone(), name))
        });
        named.collect::<Result<_, StepError>>().map(Self)
    }

    /// Returns the name in the cluster of a claim of the release.
    pub(super) fn in_cluster<'a>(&'a self, declared: &'a str) -> &'a str {
        self.0.get(declared).map_or(declared, String::as_str)
    }

    /// Returns the names in the release.
    pub(super) fn declared_names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the claims whose name in the cluster differs from the name in the release.
    pub(super) fn into_renamed(self) -> BTreeMap<String, String> {
        self.0.into_iter().filter(|(declared, name)| declared != name).collect()
    }
}

/// Returns true if the namespace has a limit that a second claim beside the first may exceed.
fn is_counted(component: &ComponentEntry) -> bool {
    component.quota.keys().any(|limit| COUNTED.iter().any(|counted| limit.ends_with(counted)))
}

/// Returns true if an operator may create pods here. Its custom fields use the release's name of a claim.
fn has_custom_kind(objects: &[Value]) -> bool {
    objects.iter().filter_map(group_kind).any(|(group, _)| !is_of_kubernetes(&group))
}
