//! Kinds of objects, by API version, and the paths of their objects.

use std::collections::BTreeMap;

/// A kind of object that a cluster knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// API version, such as `apps/v1`.
    pub api_version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// Its name in paths, such as `deployments`.
    pub plural: String,
    /// True if its objects live in namespaces.
    pub namespaced: bool,
    /// True if its objects can be listed. Some kinds are only queries, or views of other objects.
    pub listable: bool,
}

impl Resource {
    /// Returns the API group; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Returns the path of all objects of the kind, in one namespace or in all.
    pub(super) fn collection(&self, namespace: Option<&str>) -> String {
        let root = root(&self.api_version);
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }
}

/// Returns the path of the kinds of an API version.
pub(super) fn root(api_version: &str) -> String {
    if api_version.contains('/') { format!("/apis/{api_version}") } else { format!("/api/{api_version}") }
}

/// Known kinds, by API version.
#[derive(Debug, Default)]
pub(super) struct Kinds(BTreeMap<String, Vec<Resource>>);

impl Kinds {
    /// Returns a kind, if it is known.
    pub(super) fn find(&self, api_version: &str, kind: &str) -> Option<Resource> {
        self.0.get(api_version)?.iter().find(|resource| resource.kind == kind).cloned()
    }

    /// Sets the kinds of an API version.
    pub(super) fn set(&mut self, api_version: &str, resources: Vec<Resource>) {
        self.0.insert(api_version.to_owned(), resources);
    }
}
