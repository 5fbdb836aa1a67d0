//! The objects of a cluster that a backup has: all of them, Secrets included, without what the cluster makes again by itself.

mod derived;
mod form;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

pub use form::applicable;

use super::{Cluster, ClusterError, Resource};

/// How long the API server is asked for objects of a kind that other software has added, before the backup goes without them.
const ADDED_PATIENCE: Duration = Duration::from_secs(20);

/// Kinds without which nothing of the others can be applied, first.
const FIRST: [(&str, &str); 3] =
    [("", "Namespace"), ("apiextensions.k8s.io", "CustomResourceDefinition"), ("", "ServiceAccount")];

/// The objects of one kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListedKind {
    /// API version and kind, such as `apps/v1 Deployment`.
    pub kind: String,
    /// The objects that are saved, as they are saved, in the order of their names.
    pub objects: Vec<Value>,
    /// Why other objects of the kind are left out.
    pub left_out: BTreeSet<&'static str>,
    /// Why the objects cannot be listed: the kind is another program's, which does not answer. etcd has them nevertheless.
    pub unreadable: Option<String>,
}

/// Lists the objects of one kind after another.
pub struct SavedObjects<'a> {
    cluster: &'a Cluster,
    kinds: std::vec::IntoIter<SavedKind>,
}

struct SavedKind {
    resource: Resource,
    /// Whether a `CustomResourceDefinition` has added it.
    is_added: bool,
}

impl Cluster {
    /// Looks up every kind whose objects a backup has, and lists the objects of each when its turn comes: namespaces and definitions of
    /// kinds first, so that what needs them follows.
    pub fn saved_objects(&self) -> Result<SavedObjects<'_>, ClusterError> {
        let definitions =
            self.list(&self.resource("apiextensions.k8s.io/v1", "CustomResourceDefinition")?, None, "")?;
        let added: BTreeSet<&str> =
            definitions.iter().filter_map(|object| object["metadata"]["name"].as_str()).collect();
        let services = self.list(&self.resource("apiregistration.k8s.io/v1", "APIService")?, None, "")?;
        let elsewhere: BTreeSet<String> = services.iter().filter_map(served_elsewhere).collect();
        let resources = self.resources(|version| !elsewhere.contains(version))?.into_iter();
        let mut kinds: Vec<SavedKind> = resources
            .filter(|resource| resource.listable)
            .map(|resource| SavedKind {
                is_added: added.contains(format!("{}.{}", resource.plural, resource.group()).as_str()),
                resource,
            })
            .collect();
        kinds.sort_by_cached_key(|kind| kind.resource.order());
        Ok(SavedObjects { cluster: self, kinds: kinds.into_iter() })
    }

    fn saved_kind(&self, kind: &SavedKind) -> Result<ListedKind, ClusterError> {
        let SavedKind { resource, is_added } = kind;
        let mut listed =
            ListedKind { kind: format!("{} {}", resource.api_version, resource.kind), ..ListedKind::default() };
        if let Some(reason) = derived::kind(resource.group(), &resource.kind) {
            listed.left_out.insert(reason);
            return Ok(listed);
        }
        let objects = match self.list_of(kind) {
            Err(ClusterError::Refused { status, .. }) if *is_added => {
                listed.unreadable = Some(format!("{} {}: {}", status.code, status.reason, status.message));
                return Ok(listed);
            }
            objects => objects?,
        };
        for object in objects {
            if let Some(reason) = derived::object(resource.group(), &object) {
                listed.left_out.insert(reason);
            } else {
                listed.objects.push(form::saved(object, *is_added));
            }
        }
        Ok(listed)
    }

    /// All objects of a kind. Where one that was added is not answered for long, it is asked for once more with the usual patience: only a
    /// refusal is its own fault.
    fn list_of(&self, kind: &SavedKind) -> Result<Vec<Value>, ClusterError> {
        if kind.is_added {
            match self.with_patience(ADDED_PATIENCE).list(&kind.resource, None, "") {
                Err(ClusterError::Unreachable { .. }) => {}
                listed => return listed,
            }
        }
        self.list(&kind.resource, None, "")
    }
}

impl Iterator for SavedObjects<'_> {
    type Item = Result<ListedKind, ClusterError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.kinds.next().map(|kind| self.cluster.saved_kind(&kind))
    }
}

impl Resource {
    /// Where its objects are in a backup.
    fn order(&self) -> (usize, String, String) {
        let is_it = |first: &(&str, &str)| *first == (self.group(), self.kind.as_str());
        let first = FIRST.iter().position(is_it).unwrap_or(FIRST.len());
        (first, self.group().to_owned(), self.kind.clone())
    }
}

/// The API version that another program serves, if it is one: that program keeps its objects itself, and may be away.
fn served_elsewhere(service: &Value) -> Option<String> {
    let spec = &service["spec"];
    let version = spec["version"].as_str().filter(|_| spec["service"].is_object())?;
    Some(format!("{}/{version}", spec["group"].as_str()?))
}
