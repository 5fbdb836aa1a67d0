//! The claims through which the pods of a namespace read artifacts. A claim never changes its files, so that those of two releases can be read
//! side by side: pods of each release name the claim of their own.

use std::collections::BTreeMap;

use landfall_kinds::{custom::group_kind, is_of_kubernetes};
use landfall_release_document::ComponentEntry;
use serde_json::Value;

use super::components::{ComponentInputs, artifact, artifact_folder};
use landfall_engine::step::StepError;

/// Digits of the artifact's digest in the name of a claim.
const DIGITS: usize = 12;

/// Limits of a namespace that count claims, or what they ask for. One of a storage class has its name before these words.
const COUNTED: [&str; 2] = ["persistentvolumeclaims", "requests.storage"];

/// The claims of a namespace: the name in the cluster by the name that the release gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims(BTreeMap<String, String>);

impl Claims {
    /// Those of all components in a namespace, whose pods may read each other's. `rendered` are the objects of each of the release's
    /// components.
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

    /// The name in the cluster of a claim of the release.
    pub(super) fn in_cluster<'a>(&'a self, declared: &'a str) -> &'a str {
        self.0.get(declared).map_or(declared, String::as_str)
    }

    /// The names that the release gives.
    pub(super) fn declared(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Those that have another name in the cluster.
    pub(super) fn renamed(self) -> BTreeMap<String, String> {
        self.0.into_iter().filter(|(declared, name)| declared != name).collect()
    }
}

/// Whether the namespace has a limit that a second claim beside the first may exceed.
fn is_counted(component: &ComponentEntry) -> bool {
    component.quota.keys().any(|limit| COUNTED.iter().any(|counted| limit.ends_with(counted)))
}

/// Whether an operator may make pods here, from fields of its own that name a claim as the release does.
fn has_custom_kind(objects: &[Value]) -> bool {
    objects.iter().filter_map(group_kind).any(|(group, _)| !is_of_kubernetes(&group))
}
