//! Copies of Secrets and `ConfigMap`s for a drill. Pure.

use serde_json::{Value, json};

use super::{DRILL, TEMPORARY_LABEL, container};
use crate::Owner;

/// Fields of a Secret or `ConfigMap` that are its content.
const CONTENT: &[&str] = &["apiVersion", "kind", "type", "data", "binaryData"];

/// Copies a Secret or `ConfigMap` for a drill's namespace, with only its name and content.
pub fn copy(object: &Value, namespace: &str, owner: &Owner) -> Value {
    let name = &object["metadata"]["name"];
    let mut copy = json!({
        "metadata": {"name": name, "namespace": namespace, "labels": {TEMPORARY_LABEL: DRILL}},
    });
    if let Value::Object(copy) = &mut copy {
        container::take(copy, object, CONTENT);
    }
    owner.mark(&mut copy);
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_has_content_and_drill_labels() {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": true, "data": {"k": "djE="},
            "metadata": {"name": "key", "namespace": "shop", "uid": "1", "resourceVersion": "7",
                "labels": {"app": "db"}, "annotations": {"a": "b"}, "ownerReferences": [{"uid": "2"}]},
        });
        let owner = Owner { release: "starter".to_owned(), component: "db".to_owned() };
        let expected = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"k": "djE="},
            "metadata": {"name": "key", "namespace": "drill-1", "labels": {
                "app.kubernetes.io/managed-by": "landfall", "landfall.dev/release": "starter",
                "landfall.dev/component": "db", "landfall.dev/temporary": "drill",
            }},
        });
        assert_eq!(copy(&secret, "drill-1", &owner), expected);
    }
}
