//! Containers derived from those of a template. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Fields that a container needs in order to use volumes as the template's container does.
const SHARED: &[&str] = &[
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "name",
    "securityContext",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
];

/// Fields of a container that runs its own program. The liveness probe is left out: the caller decides, and a
/// recovering server may be slow.
const OWN: &[&str] = &[
    "args",
    "command",
    "lifecycle",
    "ports",
    "readinessProbe",
    "resources",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
];

/// Resources that a waiting program also gets. Devices, such as GPUs, are not among them.
const COMPUTE: &[&str] = &["cpu", "memory", "ephemeral-storage"];

/// Requests of a drill for these resources. Without a request, Kubernetes would use the limit.
const RESERVED: [(&str, &str); 2] = [("cpu", "1m"), ("memory", "1Mi")];

/// Makes a container, or a pod with its own resources, reserve next to nothing. Disk use is not limited, because in a
/// drill the disk holds the data itself. Other limits and devices stay.
pub(super) fn reserve_little(of: &mut Value) {
    let Some(resources) = of.get_mut("resources").and_then(Value::as_object_mut) else { return };
    for field in ["requests", "limits"] {
        if let Some(amounts) = resources.get_mut(field) {
            remove(amounts, &["ephemeral-storage"]);
        }
    }
    for (name, amount) in RESERVED {
        let is_named = |field: &&str| resources.get(*field).is_some_and(|amounts| !amounts[name].is_null());
        if ["requests", "limits"].iter().any(is_named) {
            resources.entry("requests").or_insert_with(|| json!({}))[name] = json!(amount);
        }
    }
}

/// Returns the template's container with another program.
pub(super) fn loader(template: &Value, command: Value) -> Value {
    let mut container = Map::new();
    take(&mut container, template, SHARED);
    container.insert("command".to_owned(), command);
    for field in ["requests", "limits"] {
        let mut amounts = Map::new();
        take(&mut amounts, &template["resources"][field], COMPUTE);
        if !amounts.is_empty() {
            let resources = container.entry("resources").or_insert_with(|| json!({}));
            resources[field] = Value::Object(amounts);
        }
    }
    Value::Object(container)
}

/// Returns the template's container with a program of its own, without host ports.
pub(super) fn server(template: &Value) -> Value {
    let mut container = Map::new();
    take(&mut container, template, SHARED);
    take(&mut container, template, OWN);
    for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        remove(port, &["hostPort", "hostIP"]);
    }
    if let Some(resources) = container.get_mut("resources") {
        // These name claims of devices that belong to the workload's own pod.
        remove(resources, &["claims"]);
    }
    Value::Object(container)
}

/// Returns the volumes that a container uses, by name, and whether it can write to each. A block device counts as
/// writable.
pub(super) fn mounted_volumes(container: &Value) -> BTreeMap<String, bool> {
    let mut mounted = BTreeMap::new();
    for (field, is_device) in [("volumeMounts", false), ("volumeDevices", true)] {
        for used in container[field].as_array().into_iter().flatten() {
            if let Some(name) = used["name"].as_str() {
                *mounted.entry(name.to_owned()).or_insert(false) |= is_device || used["readOnly"] != true;
            }
        }
    }
    mounted
}

/// Copies those of the fields that exist.
pub(super) fn take(to: &mut Map<String, Value>, from: &Value, fields: &[&str]) {
    for field in fields {
        if let Some(value) = from.get(*field).filter(|value| !value.is_null()) {
            to.insert((*field).to_owned(), value.clone());
        }
    }
}

fn remove(from: &mut Value, fields: &[&str]) {
    if let Value::Object(from) = from {
        for field in fields {
            from.remove(*field);
        }
    }
}
