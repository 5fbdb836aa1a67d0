//! Restarts of pods whose settings change: a mark in their template makes Kubernetes replace them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Workloads whose pods Kubernetes replaces when their template changes. A Job's template cannot change, and the next
/// pods of a `CronJob` read the current objects.
const RESTARTED: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// JSON Pointer to the template of these workloads.
const TEMPLATE: &str = "/spec/template";

/// Fields that refer to a `ConfigMap`, and fields that refer to a Secret.
const CONFIG_MAPS: [&str; 3] = ["configMap", "configMapRef", "configMapKeyRef"];
const SECRETS: [&str; 3] = ["secret", "secretRef", "secretKeyRef"];

/// Annotation of pods with a digest of the settings that they read.
const SETTINGS_ANNOTATION: &str = "landfall.dev/settings";

/// Marks pods with a digest of the `ConfigMap`s of their component and of the numbers of site secrets that they read.
/// Kubernetes restarts pods when their template changes, but not when only a `ConfigMap` or Secret does. This covers
/// changes by settings and by releases.
pub(super) fn restart_on_change(objects: &mut [Value], secrets: &BTreeMap<String, u64>) {
    let contents: BTreeMap<String, String> = objects
        .iter()
        .filter(|object| object["kind"] == "ConfigMap")
        .filter_map(|object| Some((object["metadata"]["name"].as_str()?, object)))
        .map(|(name, object)| (name.to_owned(), format!("{}{}", object["data"], object["binaryData"])))
        .collect();
    for template in objects.iter_mut().filter(|object| is_restarted(object)).filter_map(|it| it.pointer_mut(TEMPLATE)) {
        let maps = contents.iter().filter(|(name, _)| reads(template, &CONFIG_MAPS, name));
        let given = secrets.iter().filter(|(name, _)| reads(template, &SECRETS, name));
        let read: Vec<String> = maps
            .map(|(_, content)| content.clone())
            .chain(given.map(|(name, number)| format!("{name}={number}")))
            .collect();
        if !read.is_empty() {
            let digest = hex::encode(Sha256::digest(read.concat()));
            template["metadata"]["annotations"][SETTINGS_ANNOTATION] = json!(&digest[..16]);
        }
    }
}

fn is_restarted(object: &Value) -> bool {
    RESTARTED.iter().any(|kind| object["kind"] == *kind)
}

/// Returns true if pods that Kubernetes replaces on a change of their template read this Secret.
pub(crate) fn reads_secret(objects: &[Value], secret: &str) -> bool {
    let restarted = objects.iter().filter(|object| is_restarted(object));
    restarted.filter_map(|object| object.pointer(TEMPLATE)).any(|template| reads(template, &SECRETS, secret))
}

/// Returns true if pods of a template read the named object by one of these fields.
fn reads(value: &Value, references: &[&str], name: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| reads(item, references, name)),
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            let is_reference = references.contains(&key.as_str());
            let is_named = value["name"] == name || value["secretName"] == name;
            (is_reference && is_named) || reads(value, references, name)
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_marked_with_their_settings() {
        let config_map =
            |name: &str, data: &str| json!({"kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": data}});
        let workload = |kind: &str, reference: Value| json!({"kind": kind, "spec": {"template": {"spec": reference}}});
        let volume = |name: &str| json!({"volumes": [{"configMap": {"name": name}}]});
        let variable =
            json!({"containers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "set", "key": "a"}}}]}]});
        let marks = |data: &str| {
            let mut objects = vec![
                config_map("set", data),
                workload("Deployment", volume("set")),
                workload("StatefulSet", variable.clone()),
                workload("DaemonSet", volume("of-another-component")),
                workload("Job", volume("set")),
            ];
            restart_on_change(&mut objects, &BTreeMap::new());
            let mark =
                |object: &Value| object["spec"]["template"]["metadata"]["annotations"][SETTINGS_ANNOTATION].clone();
            objects.iter().map(mark).collect::<Vec<_>>()
        };
        let (one, other) = (marks("1"), marks("2"));
        let is_marked: Vec<bool> = one.iter().map(Value::is_string).collect();
        assert_eq!(is_marked, [false, true, true, false, false]);
        assert_ne!(one, other);
        assert_eq!(one, marks("1"));
    }

    /// A plan knows only the number of a value.
    #[test]
    fn pods_are_marked_with_secret_numbers() {
        let workload = |kind: &str, reference: Value| json!({"kind": kind, "spec": {"template": {"spec": reference}}});
        let mounted = json!({"volumes": [{"secret": {"secretName": "directory"}}]});
        let projected = json!({"volumes": [{"projected": {"sources": [{"secret": {"name": "directory"}}]}}]});
        let variable = json!({"containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "directory"}}}]}]});
        let other = json!({"volumes": [{"secret": {"secretName": "other"}}, {"configMap": {"name": "directory"}}]});
        let objects = [mounted, projected, variable, other].map(|reference| workload("Deployment", reference));
        let marks = |number: u64| {
            let mut objects = objects.clone();
            restart_on_change(&mut objects, &BTreeMap::from([("directory".to_owned(), number)]));
            objects.map(|object| object["spec"]["template"]["metadata"]["annotations"][SETTINGS_ANNOTATION].clone())
        };
        let (first, second) = (marks(1), marks(2));
        assert!(first[..3].iter().all(Value::is_string) && first[3].is_null(), "{first:?}");
        assert_eq!(first, marks(1));
        assert!(first[..3].iter().zip(&second).all(|(first, second)| first != second), "{second:?}");
        assert!(reads_secret(&objects, "directory") && reads_secret(&objects[3..], "other"));
        assert!(!reads_secret(&objects[3..], "directory") && !reads_secret(&[], "directory"));
    }
}
