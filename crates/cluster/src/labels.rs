//! Labels by which Landfall recognizes its own objects.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Field manager name under which Landfall owns fields of objects.
pub const FIELD_MANAGER: &str = "landfall";

/// Label that every object of Landfall carries, with the value [`MANAGED_BY`].
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// Value of [`MANAGED_BY_LABEL`].
pub const MANAGED_BY: &str = "landfall";

/// Label with the name of the release.
pub const RELEASE_LABEL: &str = "landfall.dev/release";

/// Label with the name of the component.
pub const COMPONENT_LABEL: &str = "landfall.dev/component";

/// The owner of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// Name of the release.
    pub release: String,
    /// Name of the component.
    pub component: String,
}

impl Owner {
    /// Sets the labels on an object's own metadata, never on those of its pods, whose selectors are immutable.
    pub fn mark(&self, object: &mut Value) {
        let labels =
            [(MANAGED_BY_LABEL, MANAGED_BY), (RELEASE_LABEL, &self.release), (COMPONENT_LABEL, &self.component)];
        if !object["metadata"]["labels"].is_object() {
            object["metadata"]["labels"] = json!({});
        }
        for (label, value) in labels {
            object["metadata"]["labels"][label] = json!(value);
        }
    }

    /// Returns true if an object carries this owner's labels.
    pub fn owns(&self, object: &Value) -> bool {
        is_managed(object) && label(object, COMPONENT_LABEL) == Some(&self.component)
    }
}

/// Returns true if an object carries Landfall's label, whatever its component.
pub fn is_managed(object: &Value) -> bool {
    label(object, MANAGED_BY_LABEL) == Some(MANAGED_BY)
}

/// Describes the owner of a live object for people.
pub fn manager_of(object: &Value) -> String {
    match (label(object, MANAGED_BY_LABEL), label(object, COMPONENT_LABEL)) {
        (Some(MANAGED_BY), Some(component)) => format!("Landfall's component {component}"),
        (Some(manager), _) => manager.to_owned(),
        (None, _) => {
            let manager = object.pointer("/metadata/managedFields/0/manager").and_then(Value::as_str);
            manager.map_or_else(|| "an unknown manager".to_owned(), str::to_owned)
        }
    }
}

fn label<'a>(object: &'a Value, label: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(label)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_object_is_marked() {
        let owner = Owner { release: "starter".to_owned(), component: "web".to_owned() };
        let mut object =
            json!({"metadata": {"name": "x"}, "spec": {"template": {"metadata": {"labels": {"app": "x"}}}}});
        assert!(!owner.owns(&object));
        owner.mark(&mut object);
        assert!(owner.owns(&object) && is_managed(&object));
        assert_eq!(object["spec"]["template"]["metadata"]["labels"], json!({"app": "x"}));
        let other = Owner { component: "other".to_owned(), ..owner };
        assert!(!other.owns(&object));
        assert_eq!(manager_of(&object), "Landfall's component web");
        assert_eq!(manager_of(&json!({"metadata": {"managedFields": [{"manager": "kubectl"}]}})), "kubectl");
    }
}
