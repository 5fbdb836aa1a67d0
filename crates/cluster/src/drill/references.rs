//! Secrets and `ConfigMap`s that a pod refers to. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::ObjectName;

/// A Secret or `ConfigMap` that a pod refers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Kind, `Secret` or `ConfigMap`.
    pub kind: &'static str,
    /// Name in the pod's namespace.
    pub name: String,
    /// True if the pod also starts without it.
    pub is_optional: bool,
}

impl Reference {
    /// Returns the name of the object in a namespace.
    pub fn object(&self, namespace: &str) -> ObjectName {
        ObjectName::new("v1", self.kind, namespace, &self.name)
    }
}

/// Returns the Secrets and `ConfigMap`s of a pod, by kind and name: those of environments, of volumes, and of image
/// credentials. An object that is required anywhere is required.
pub fn references(pod: &Value) -> Vec<Reference> {
    let mut found = FoundReferences::default();
    let spec = &pod["spec"];
    for pull in list(spec, "imagePullSecrets") {
        // The kubelet starts pods without it and warns.
        found.add("Secret", pull, "name", true);
    }
    for container in ["initContainers", "containers"].into_iter().flat_map(|field| list(spec, field)) {
        for variable in list(container, "env") {
            found.object("Secret", &variable["valueFrom"]["secretKeyRef"]);
            found.object("ConfigMap", &variable["valueFrom"]["configMapKeyRef"]);
        }
        for all in list(container, "envFrom") {
            found.object("Secret", &all["secretRef"]);
            found.object("ConfigMap", &all["configMapRef"]);
        }
    }
    for volume in list(spec, "volumes") {
        found.add("Secret", &volume["secret"], "secretName", volume["secret"]["optional"] == true);
        found.object("ConfigMap", &volume["configMap"]);
        found.add("Secret", &volume["csi"]["nodePublishSecretRef"], "name", false);
        for source in list(&volume["projected"], "sources") {
            found.object("Secret", &source["secret"]);
            found.object("ConfigMap", &source["configMap"]);
        }
    }
    found.references()
}

/// References found so far: by kind and name, true if optional.
#[derive(Default)]
struct FoundReferences(BTreeMap<(&'static str, String), bool>);

impl FoundReferences {
    fn object(&mut self, kind: &'static str, reference: &Value) {
        self.add(kind, reference, "name", reference["optional"] == true);
    }

    fn add(&mut self, kind: &'static str, reference: &Value, field: &str, is_optional: bool) {
        let Some(name) = reference[field].as_str().filter(|name| !name.is_empty()) else { return };
        let known = self.0.entry((kind, name.to_owned())).or_insert(true);
        *known &= is_optional;
    }

    fn references(self) -> Vec<Reference> {
        self.0.into_iter().map(|((kind, name), is_optional)| Reference { kind, name, is_optional }).collect()
    }
}

fn list<'a>(of: &'a Value, field: &str) -> &'a [Value] {
    of[field].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_references_are_found() {
        let pod = json!({"spec": {
            "imagePullSecrets": [{"name": "pull"}],
            "initContainers": [{"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "first", "key": "k"}}}]}],
            "containers": [{
                "env": [
                    {"name": "A", "value": "plain"},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k", "optional": true}}},
                    {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "k", "optional": true}}},
                    {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                ],
                "envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "settings"}}],
            }],
            "volumes": [
                {"name": "a", "secret": {"secretName": "mounted", "optional": true}},
                {"name": "b", "configMap": {"name": "files"}},
                {"name": "c", "projected": {"sources": [
                    {"secret": {"name": "key"}}, {"configMap": {"name": "more", "optional": true}}, {"downwardAPI": {}},
                ]}},
                {"name": "d", "csi": {"driver": "x", "nodePublishSecretRef": {"name": "driver"}}},
                {"name": "e", "emptyDir": {}},
            ],
        }});
        let found: Vec<(&str, String, bool)> =
            references(&pod).into_iter().map(|found| (found.kind, found.name, found.is_optional)).collect();
        let expected = [
            ("ConfigMap", "files", false),
            ("ConfigMap", "more", true),
            ("ConfigMap", "settings", false),
            ("Secret", "all", false),
            ("Secret", "driver", false),
            ("Secret", "first", false),
            ("Secret", "key", false),
            ("Secret", "mounted", true),
            ("Secret", "pull", true),
        ];
        assert_eq!(found, expected.map(|(kind, name, is_optional)| (kind, name.to_owned(), is_optional)));
    }

    #[test]
    fn pod_without_references_has_none() {
        assert!(references(&json!({"spec": {"containers": [{"name": "a"}]}})).is_empty());
    }
}
