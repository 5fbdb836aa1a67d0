//! Cluster objects in a backup: all of them, including Secrets, except those that the cluster recreates itself.

mod derived;
mod form;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

pub use form::applicable;

use super::{Cluster, ClusterError, Resource};

/// Time limit for listing objects of a custom kind, after which the backup continues without them.
const ADDED_PATIENCE: Duration = Duration::from_secs(20);

/// Kinds that all other objects depend on; they come first.
const FIRST: [(&str, &str); 3] =
    [("", "Namespace"), ("apiextensions.k8s.io", "CustomResourceDefinition"), ("", "ServiceAccount")];

/// Objects of one kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListedKind {
    /// API version and kind, such as `apps/v1 Deployment`.
    pub kind: String,
    /// The saved objects in their saved form, ordered by name.
    pub objects: Vec<Value>,
    /// Reasons for leaving out other objects of the kind.
    pub left_out: BTreeSet<&'static str>,
    /// Reason why the objects cannot be listed: another program serves the kind and does not answer. etcd still has
    /// them.
    pub unreadable: Option<String>,
}

/// Lister of objects, one kind after another.
pub struct SavedObjects<'a> {
    cluster: &'a Cluster,
    kinds: std::vec::IntoIter<SavedKind>,
}

struct SavedKind {
    resource: Resource,
    /// True if a `CustomResourceDefinition` added the kind.
    is_added: bool,
}

impl Cluster {
    /// Looks up every kind whose objects a backup has; the objects of each kind are listed when its turn comes.
    /// Namespaces and definitions of kinds come first, so that their dependents follow.
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
                listed.objects.push(form::saved_form(object, *is_added));
            }
        }
        Ok(listed)
    }

    /// Lists all objects of a kind. If requests for a custom kind time out, repeats them once with the usual patience:
    /// only a refusal is the kind's own fault.
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
    /// Returns the sort key of the kind in a backup.
    fn order(&self) -> (usize, String, String) {
        let is_it = |first: &(&str, &str)| *first == (self.group(), self.kind.as_str());
        let first = FIRST.iter().position(is_it).unwrap_or(FIRST.len());
        (first, self.group().to_owned(), self.kind.clone())
    }
}

/// Returns the API version if another program serves it: that program stores its objects itself, and may be
/// unavailable.
fn served_elsewhere(service: &Value) -> Option<String> {
    let spec = &service["spec"];
    let version = spec["version"].as_str().filter(|_| spec["service"].is_object())?;
    Some(format!("{}/{version}", spec["group"].as_str()?))
}
