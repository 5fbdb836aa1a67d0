//! Quota of a namespace, with the defaults that its pods need to fit it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Default requests and limits of a container that declares none although a quota requires them: the quota's resource,
/// the `LimitRange`'s field, its resource and amount. They are small, so that a pod of helper containers fits any
/// quota.
const SAID_FOR_CONTAINERS: &[(&str, &str, &str, &str)] = &[
    ("requests.cpu", "defaultRequest", "cpu", "50m"),
    ("cpu", "defaultRequest", "cpu", "50m"),
    ("requests.memory", "defaultRequest", "memory", "64Mi"),
    ("memory", "defaultRequest", "memory", "64Mi"),
    ("limits.cpu", "default", "cpu", "1"),
    ("limits.memory", "default", "memory", "512Mi"),
];

/// Returns the quota of a namespace, given as Kubernetes quantities by resource, and the default requests of
/// containers, because a quota refuses pods without requests. Empty without limits.
pub fn quota(namespace: &str, hard: &BTreeMap<String, String>) -> Vec<Value> {
    if hard.is_empty() {
        return Vec::new();
    }
    let metadata = json!({"name": "landfall", "namespace": namespace});
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}});
    let mut item = json!({"type": "Container"});
    for (limited, field, resource, amount) in SAID_FOR_CONTAINERS {
        if hard.contains_key(*limited) {
            item[*field][*resource] = json!(amount);
        }
    }
    if item.as_object().is_none_or(|fields| fields.len() < 2) {
        return vec![quota];
    }
    let range = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": [item]}});
    vec![quota, range]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(hard: &[(&str, &str)]) -> Vec<Value> {
        let hard = hard.iter().map(|(name, amount)| ((*name).to_owned(), (*amount).to_owned())).collect();
        quota("shop", &hard).into_iter().map(|object| object["kind"].clone()).collect()
    }

    #[test]
    fn compute_quota_adds_default_requests() {
        assert_eq!(kinds(&[("requests.memory", "1Gi"), ("pods", "3")]), ["ResourceQuota", "LimitRange"]);
        assert_eq!(kinds(&[("pods", "3")]), ["ResourceQuota"]);
        assert!(kinds(&[]).is_empty());
    }
}
