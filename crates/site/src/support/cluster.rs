//! Objects of the cluster without their secrets.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use landfall_cluster::{Cluster, ClusterError};
use landfall_support::KnownValues;
use serde_json::{Value, json};

/// Kinds in a support bundle, each with its file name. Secrets are handled separately.
pub const KINDS: [(&str, &str, &str); 19] = [
    ("v1", "Node", "nodes"),
    ("v1", "Namespace", "namespaces"),
    ("v1", "Pod", "pods"),
    ("v1", "Event", "events"),
    ("v1", "Service", "services"),
    ("v1", "ConfigMap", "configmaps"),
    ("v1", "PersistentVolume", "persistentvolumes"),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("v1", "ResourceQuota", "resourcequotas"),
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("apps/v1", "DaemonSet", "daemonsets"),
    ("apps/v1", "ReplicaSet", "replicasets"),
    ("batch/v1", "Job", "jobs"),
    ("batch/v1", "CronJob", "cronjobs"),
    ("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    ("storage.k8s.io/v1", "StorageClass", "storageclasses"),
    ("coordination.k8s.io/v1", "Lease", "leases"),
];

/// Returns the objects of a kind, without their managed fields.
pub fn objects(cluster: &Cluster, version: &str, kind: &str) -> Result<Vec<Value>, ClusterError> {
    let mut objects = cluster.list(&cluster.resource(version, kind)?, None, "")?;
    for object in &mut objects {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
    }
    Ok(objects)
}

/// Returns the measurements of each node's kubelet.
pub fn statistics(cluster: &Cluster) -> Result<Vec<Value>, ClusterError> {
    let nodes = cluster.list(&cluster.resource("v1", "Node")?, None, "")?;
    let names = nodes.iter().filter_map(|node| node["metadata"]["name"].as_str());
    names.map(|name| cluster.node_statistics(name)).collect()
}

/// Reads all Secrets: adds their values to `known`, and returns names, types and the sizes of values.
pub fn secrets(cluster: &Cluster, known: &mut KnownValues) -> Result<Vec<Value>, ClusterError> {
    let secrets = cluster.list(&cluster.resource("v1", "Secret")?, None, "")?;
    Ok(secrets.iter().map(|secret| describe_secret(secret, known)).collect())
}

/// Returns the public part of a Secret. Values that cannot be decoded are added unchanged.
pub(super) fn describe_secret(secret: &Value, known: &mut KnownValues) -> Value {
    let mut sizes = BTreeMap::new();
    for (key, value) in secret["data"].as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        let value = STANDARD.decode(text).unwrap_or_else(|_| text.as_bytes().to_vec());
        known.add(&value);
        sizes.insert(key.clone(), value.len());
    }
    let metadata = &secret["metadata"];
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": secret["type"],
        "metadata": {
            "namespace": metadata["namespace"], "name": metadata["name"], "labels": metadata["labels"],
            "creationTimestamp": metadata["creationTimestamp"], "ownerReferences": metadata["ownerReferences"],
        },
        // A list, because a field named by a secret's key would itself be redacted. The length of a password is secret
        // as well.
        "valueSizes": sizes
            .iter()
            .map(|(key, bytes)| json!({"key": key, "empty": *bytes == 0, "kibibytes": bytes.div_ceil(1024)}))
            .collect::<Vec<_>>(),
    })
}
