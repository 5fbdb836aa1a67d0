//! A cluster's contents, reduced to those on which two sites of one release must agree.
//!
//! Two snapshots are equal if the same objects exist by group, kind, namespace and name, with identical content. The
//! fields in `generated.json` are removed first, each for the reason given there. Objects with generated names are
//! compared by owner and count. An interrupted and resumed install must produce the same snapshot as an uninterrupted
//! one.

mod difference;
mod rules;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use landfall_cluster::ObjectName;
use rules::Rules;

pub use difference::{Difference, difference};

/// A cluster without anything that differs at random. Its JSON form is canonical: equal snapshots have equal bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    /// Objects by name, such as `apps/Deployment web/front`. Objects with generated names are grouped, such as `Pod
    /// web/front-5c9-* of apps/ReplicaSet front-5c9`.
    pub objects: BTreeMap<String, Vec<Value>>,
    /// Digests of the images on each node, by node, as far as the node reports them.
    pub images: BTreeMap<String, BTreeSet<String>>,
    /// SHA-256 of each Secret's data. It differs between sites but never changes at a site; [`difference`] ignores it.
    pub secrets: BTreeMap<String, String>,
}

impl Snapshot {
    /// Takes a snapshot of everything that a cluster holds. `kubectl` runs kubectl with these arguments and returns its
    /// standard output.
    pub fn take(kubectl: impl Fn(&[&str]) -> Result<String>) -> Result<Self> {
        let kinds = kubectl(&["api-resources", "--verbs=list", "--output=name"])?;
        let kinds = kinds.split_whitespace().collect::<Vec<_>>().join(",");
        let listed = kubectl(&["get", &kinds, "--all-namespaces", "--output=json"])?;
        let mut listed: Value = serde_json::from_str(&listed).context("kubectl printed no JSON")?;
        let Value::Array(objects) = listed["items"].take() else { bail!("kubectl printed no list") };
        Self::of(objects)
    }

    fn of(objects: Vec<Value>) -> Result<Self> {
        let rules = Rules::checked_in();
        let mut snapshot = Self::default();
        for object in objects {
            let name = ObjectName::of(&object)?;
            if !rules.excludes(name.group(), &name.kind) {
                snapshot.add(&rules, &name, object);
            }
        }
        // Objects under one generated name have no defined order.
        for objects in snapshot.objects.values_mut() {
            objects.sort_by_cached_key(Value::to_string);
        }
        Ok(snapshot)
    }

    fn add(&mut self, rules: &Rules, name: &ObjectName, object: Value) {
        match (name.group(), name.kind.as_str()) {
            ("", "Node") => drop(self.images.insert(name.name.clone(), images(&object))),
            ("", "Secret") => {
                let digest = hex::encode(Sha256::digest(object["data"].to_string()));
                self.secrets.insert(name.to_string(), digest);
            }
            _ => {}
        }
        let (key, reduced) = rules.reduce(name, object);
        self.objects.entry(key).or_default().push(reduced);
    }
}

/// Returns a node's image names that include a digest.
fn images(node: &Value) -> BTreeSet<String> {
    let images = node.pointer("/status/images").and_then(Value::as_array).into_iter().flatten();
    let names = images.filter_map(|image| image["names"].as_array()).flatten().filter_map(Value::as_str);
    names.filter(|name| name.contains("@sha256:")).map(str::to_owned).collect()
}
