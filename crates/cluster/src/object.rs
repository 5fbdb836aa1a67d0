//! Name of an object: API version, kind, namespace and name.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ClusterError;

/// Name of one object of a cluster. Two names denote the same object if group, kind, namespace and name are equal; the
/// version only selects a representation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectName {
    /// API version, such as `v1` or `apps/v1`.
    pub api_version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// Namespace; `None` for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name within kind and namespace.
    pub name: String,
}

impl ObjectName {
    /// Creates a name from its parts; an empty namespace becomes `None`.
    pub fn new(api_version: &str, kind: &str, namespace: &str, name: &str) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            name: name.to_owned(),
        }
    }

    /// Reads the name of an object. Fails without API version, kind or name.
    pub fn of(object: &Value) -> Result<Self, ClusterError> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (Some(api_version), Some(kind), Some(name)) = (text("/apiVersion"), text("/kind"), text("/metadata/name"))
        else {
            return Err(ClusterError::Unnamed { object: beginning(object) });
        };
        Ok(Self::new(api_version, kind, text("/metadata/namespace").unwrap_or_default(), name))
    }

    /// Returns the API group; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Returns true if both names denote the same object, in any version.
    pub fn is_same_object(&self, other: &Self) -> bool {
        self.group() == other.group()
            && self.kind == other.kind
            && self.namespace == other.namespace
            && self.name == other.name
    }
}

impl fmt::Display for ObjectName {
    /// Formats the name, as in `apps/Deployment web/front` or `Namespace web`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group().is_empty() {
            write!(formatter, "{}/", self.group())?;
        }
        write!(formatter, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(formatter, "{namespace}/")?;
        }
        formatter.write_str(&self.name)
    }
}

/// Describes an object well enough to find it, without its secrets: its kind and keys.
fn beginning(object: &Value) -> String {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or("no kind");
    let keys: Vec<&str> = object.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).take(8).collect();
    format!("{kind} with the fields {}", keys.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn object_names_are_read_and_shown() {
        let deployment =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "web", "name": "front"}});
        let name = ObjectName::of(&deployment).unwrap();
        assert_eq!((name.to_string().as_str(), name.group()), ("apps/Deployment web/front", "apps"));
        assert!(name.is_same_object(&ObjectName::new("apps/v1beta1", "Deployment", "web", "front")));
        assert!(!name.is_same_object(&ObjectName::new("v1", "Deployment", "web", "front")));
        assert_eq!(ObjectName::new("v1", "Namespace", "", "web").to_string(), "Namespace web");
    }

    #[test]
    fn objects_without_name_are_refused() {
        let error = ObjectName::of(&json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "b"}})).unwrap_err();
        assert!(error.to_string().contains("Secret with the fields apiVersion, data, kind"), "{error}");
    }
}
