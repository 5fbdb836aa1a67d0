//! The contents of a cluster, reduced to the part on which two sites of one release must agree.
//!
//! Two snapshots are equal when the same objects exist by group, kind, namespace and name, with identical content after
//! the fields of `generated.json` are removed, each for the reason given there. Generated names are compared by owner
//! and count. An interrupted and resumed install must leave the snapshot of an uninterrupted one.

mod difference;
mod rules;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Cluster, ClusterError, ObjectName};
pub use difference::{Difference, difference};
use rules::Rules;

/// A cluster, reduced to the part that does not differ by chance. Its JSON form is canonical: equal snapshots have
/// equal bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    /// Objects by name, such as `apps/Deployment web/front`. Those with generated names are grouped, such as `Pod
    /// web/front-5c9-* of apps/ReplicaSet front-5c9`.
    pub objects: BTreeMap<String, Vec<Value>>,
    /// Digests of the images on each node, by node, as far as the node reports them.
    pub images: BTreeMap<String, BTreeSet<String>>,
    /// SHA-256 of each Secret's data. It differs between sites and never on one; [`difference`] leaves it out.
    pub secrets: BTreeMap<String, String>,
}

/// Takes a snapshot of everything a cluster holds.
pub fn take(cluster: &Cluster) -> Result<Snapshot, ClusterError> {
    let rules = Rules::checked_in();
    let mut objects = Vec::new();
    for kind in cluster.resources()?.iter().filter(|kind| kind.listable) {
        let group = kind.api_version.split_once('/').map_or("", |(group, _)| group);
        if !rules.excludes(group, &kind.kind) {
            objects.extend(cluster.list(kind, None, "")?);
        }
    }
    of_objects(objects, &rules)
}

fn of_objects(objects: Vec<Value>, rules: &Rules) -> Result<Snapshot, ClusterError> {
    let mut snapshot = Snapshot::default();
    for object in objects {
        let name = ObjectName::of(&object)?;
        match (name.group(), name.kind.as_str()) {
            ("", "Node") => drop(snapshot.images.insert(name.name.clone(), images(&object))),
            ("", "Secret") => {
                let digest = hex::encode(Sha256::digest(object["data"].to_string()));
                snapshot.secrets.insert(name.to_string(), digest);
            }
            _ => {}
        }
        let (key, reduced) = rules.reduce(&name, object);
        snapshot.objects.entry(key).or_default().push(reduced);
    }
    // Objects under one generated name have no order of their own.
    for objects in snapshot.objects.values_mut() {
        objects.sort_by_cached_key(Value::to_string);
    }
    Ok(snapshot)
}

/// Names with digests of the images that a node has.
fn images(node: &Value) -> BTreeSet<String> {
    let images = node.pointer("/status/images").and_then(Value::as_array).into_iter().flatten();
    let names = images.filter_map(|image| image["names"].as_array()).flatten().filter_map(Value::as_str);
    names.filter(|name| name.contains("@sha256:")).map(str::to_owned).collect()
}
