//! Comparison of components' objects and their fields.

use std::collections::{BTreeMap, BTreeSet};

use landfall_documents::releases::Changes;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// Maximum number of fields of one object to name; others are only counted.
const FIELDS: usize = 100;

/// Object that differs.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectChange {
    /// Name of the component.
    pub component: String,
    /// `apiVersion` of the object.
    pub api_version: String,
    /// Kind of the object.
    pub kind: String,
    /// Namespace of the object, if it has one.
    pub namespace: Option<String>,
    /// Name of the object.
    pub name: String,
    /// Fields that differ, as JSON Pointers, at most 100; empty if the object was added or removed.
    pub fields: Vec<String>,
    /// Number of further fields that differ.
    pub more_fields: usize,
}

type Identity = (String, String, String, Option<String>, String);

pub(super) fn changes(
    from: &BTreeMap<String, Value>,
    to: &BTreeMap<String, Value>,
) -> Changes<ObjectChange, ObjectChange> {
    let (old, new) = (by_identity(from), by_identity(to));
    let mut changes = Changes::default();
    for identity in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        match (old.get(identity), new.get(identity)) {
            (Some(old), Some(new)) if old != new => {
                let mut fields = BTreeSet::new();
                compare(old, new, "", &mut fields);
                changes.changed.push(change(identity, fields));
            }
            (Some(_), None) => changes.removed.push(change(identity, BTreeSet::new())),
            (None, Some(_)) => changes.added.push(change(identity, BTreeSet::new())),
            _ => {}
        }
    }
    changes
}

fn by_identity(objects: &BTreeMap<String, Value>) -> BTreeMap<Identity, &Value> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let all = objects.iter().flat_map(|(component, objects)| {
        objects.as_array().into_iter().flatten().map(move |object| (component, object))
    });
    all.map(|(component, object)| {
        let metadata = &object["metadata"];
        let [version, kind, name] = [&object["apiVersion"], &object["kind"], &metadata["name"]].map(text);
        let [version, kind, name] = [version, kind, name].map(Option::unwrap_or_default);
        ((component.clone(), version, kind, text(&metadata["namespace"]), name), object)
    })
    .collect()
}

fn change(identity: &Identity, fields: BTreeSet<String>) -> ObjectChange {
    let (component, api_version, kind, namespace, name) = identity.clone();
    let more_fields = fields.len().saturating_sub(FIELDS);
    let fields = fields.into_iter().take(FIELDS).collect();
    ObjectChange { component, api_version, kind, namespace, name, fields, more_fields }
}

/// Collects the JSON Pointers of the innermost fields that differ. Objects of Kubernetes are nested at most as deeply
/// as a head allows.
fn compare(old: &Value, new: &Value, path: &str, found: &mut BTreeSet<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
                let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                either(old.get(name), new.get(name), path, found);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for index in 0..old.len().max(new.len()) {
                either(old.get(index), new.get(index), format!("{path}/{index}"), found);
            }
        }
        (old, new) if old != new => drop(found.insert(path.to_owned())),
        _ => {}
    }
}

fn either(old: Option<&Value>, new: Option<&Value>, path: String, found: &mut BTreeSet<String>) {
    match (old, new) {
        (Some(old), Some(new)) => compare(old, new, &path, found),
        _ => drop(found.insert(path)),
    }
}
