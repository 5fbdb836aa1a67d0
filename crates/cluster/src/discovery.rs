//! Discovery of the kinds that a cluster knows.

use std::sync::PoisonError;

use http::Method;
use serde_json::Value;

use super::connection::Call;
use super::kinds::{Resource, root};
use super::{Cluster, ClusterError, ObjectName};

impl Cluster {
    /// Looks up a kind. Earlier answers are cached; a missing kind is requested again, because custom resource
    /// definitions may have been added.
    pub fn resource(&self, api_version: &str, kind: &str) -> Result<Resource, ClusterError> {
        let known = self.kinds().lock().unwrap_or_else(PoisonError::into_inner).find(api_version, kind);
        if let Some(resource) = known {
            return Ok(resource);
        }
        let resources = self.kinds_of(api_version)?;
        let mut kinds = self.kinds().lock().unwrap_or_else(PoisonError::into_inner);
        kinds.set(api_version, resources);
        kinds
            .find(api_version, kind)
            .ok_or_else(|| ClusterError::UnknownKind { api_version: api_version.to_owned(), kind: kind.to_owned() })
    }

    /// Returns every kind that the cluster knows, each in the preferred version of its group, or in the first other
    /// version that has it. Skips versions of groups that `is_wanted` rejects.
    pub fn resources(&self, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<Resource>, ClusterError> {
        let groups = self.call_json(&read("/apis".to_owned(), &"the groups of kinds"))?;
        let versions = groups["groups"].as_array().into_iter().flatten().map(versions);
        let mut resources = Vec::new();
        for versions in std::iter::once(vec!["v1"]).chain(versions) {
            let mut of_group: Vec<Resource> = Vec::new();
            for api_version in versions.into_iter().filter(|version| is_wanted(version)) {
                let kinds = self.kinds_of(api_version)?;
                let is_new = |kind: &Resource| of_group.iter().all(|known| known.kind != kind.kind);
                let new: Vec<Resource> = kinds.into_iter().filter(is_new).collect();
                of_group.extend(new);
            }
            resources.extend(of_group);
        }
        Ok(resources)
    }

    /// Returns the path of an object. Fails if it lacks a required namespace or has a superfluous one.
    pub(super) fn path(&self, object: &ObjectName) -> Result<String, ClusterError> {
        let resource = self.resource(&object.api_version, &object.kind)?;
        if resource.namespaced != object.namespace.is_some() {
            let problem = if resource.namespaced { "it names no namespace" } else { "its kind has no namespaces" };
            return Err(ClusterError::BadObject { object: object.clone().into(), problem: problem.to_owned() });
        }
        Ok(format!("{}/{}", resource.collection(object.namespace.as_deref()), object.name))
    }

    fn kinds_of(&self, api_version: &str) -> Result<Vec<Resource>, ClusterError> {
        let what = format!("the kinds of {api_version}");
        let answer = match self.call_json(&read(root(api_version), &what)) {
            Err(ClusterError::Refused { status, .. }) if status.code == 404 => return Ok(Vec::new()),
            answer => answer?,
        };
        Ok(answer["resources"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|entry| resource(api_version, entry))
            .collect())
    }
}

/// Returns the API versions of a group, the preferred one first.
fn versions(group: &Value) -> Vec<&str> {
    let preferred = group["preferredVersion"]["groupVersion"].as_str();
    let all = group["versions"].as_array().into_iter().flatten().filter_map(|version| version["groupVersion"].as_str());
    preferred.into_iter().chain(all.filter(|version| Some(*version) != preferred)).collect()
}

fn read(path: String, what: &dyn std::fmt::Display) -> Call<'_> {
    Call { method: Method::GET, path, content_type: "", body: Vec::new(), verb: "read", what }
}

/// Reads one entry of a list of kinds; `None` for a subresource.
fn resource(api_version: &str, entry: &Value) -> Option<Resource> {
    let plural = entry["name"].as_str().filter(|name| !name.contains('/'))?;
    Some(Resource {
        api_version: api_version.to_owned(),
        kind: entry["kind"].as_str()?.to_owned(),
        plural: plural.to_owned(),
        namespaced: entry["namespaced"].as_bool()?,
        listable: entry["verbs"].as_array().into_iter().flatten().any(|verb| verb == "list"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn preferred_version_comes_first_once() {
        let version = |name: &str| json!({"groupVersion": name});
        let group = json!({"versions": [version("a.dev/v2beta1"), version("a.dev/v1")],
            "preferredVersion": version("a.dev/v1")});
        assert_eq!(versions(&group), ["a.dev/v1", "a.dev/v2beta1"]);
        assert_eq!(versions(&json!({})), Vec::<&str>::new());
    }

    #[test]
    fn subresources_are_not_kinds() {
        let read = |name: &str, verbs: &[&str]| {
            resource("apps/v1", &json!({"name": name, "kind": "Deployment", "namespaced": true, "verbs": verbs}))
        };
        assert_eq!(read("deployments/scale", &["get"]), None);
        let (kind, question) =
            (read("deployments", &["get", "list"]).unwrap(), read("deployments", &["create"]).unwrap());
        assert_eq!((kind.group(), kind.listable, question.listable), ("apps", true, false));
    }
}
