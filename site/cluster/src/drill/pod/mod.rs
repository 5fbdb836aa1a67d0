//! Pods that are made after a workload's template. Pure.
//!
//! They have what is needed to use the workload's volumes as its own pods do: image, user, mounts, environment. They have
//! nothing by which they could take part in its work: no labels that a Service selects, no account, no network of the host.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_release_document::container::{END_FIRST_PROGRAM, WAIT_FOR_END};
use serde_json::{Value, json};

use super::volumes::{self, DataVolume};
use super::{DRILL, RESTORE, RUNTIME_CLASS, TEMPORARY_LABEL, container};
use crate::{ClusterError, ObjectName, Owner};

/// Name of the container in which a volume is filled, in [`DrillPod::loader_before_server`].
pub const LOADER: &str = "landfall-load";

/// The program that ends the loader of [`DrillPod::loader_before_server`] after the volume was filled, to be run in
/// [`LOADER`]. It returns at once; the server is started a second later.
pub const END_LOADING: [&str; 3] = ["sh", "-c", END_FIRST_PROGRAM];

/// Fields of a template's `spec` that its pods share with those made after it.
const POD_FIELDS: &[&str] = &[
    "hostUsers",
    "imagePullSecrets",
    "nodeSelector",
    "os",
    "resources",
    "runtimeClassName",
    "securityContext",
    "tolerations",
];

/// The same, where Services and other hosts may be reached.
const NETWORK_FIELDS: &[&str] = &["dnsConfig", "dnsPolicy", "hostAliases"];

/// A pod that is made after a workload.
#[derive(Debug, Clone, Copy)]
pub struct DrillPod<'a> {
    /// The Deployment, `StatefulSet` or `DaemonSet`, as it was rendered or as it is in the cluster, with its namespace.
    pub workload: &'a Value,
    /// The container; the workload's first where none is named.
    pub container: Option<&'a str>,
    /// The pod's namespace. In the workload's own, the pod is one of a restore; in any other, one of a drill.
    pub namespace: &'a str,
    /// The pod's name.
    pub name: &'a str,
    /// Whose workload it is.
    pub owner: &'a Owner,
    /// Volumes of the workload, by name, in whose place others are mounted. In another namespace, this must include all
    /// that would share data with the workload: see [`claims`](super::claims).
    pub volumes: &'a BTreeMap<String, DataVolume>,
    /// Whether nodes have the runtime of drills. A pod has it in a drill, unless its template names another one.
    pub has_runtime: bool,
    /// How long the pod may live; Kubernetes ends it then.
    pub lifetime: Duration,
}

impl DrillPod<'_> {
    /// A pod whose container waits for the given lifetime, so that programs can be run in it. Its image must contain
    /// `sleep`.
    pub fn loader(&self) -> Result<Value, ClusterError> {
        let command = json!(["sleep", self.seconds().to_string()]);
        let container = container::loader(&self.container()?, command);
        let mut pod = self.pod(&container)?;
        // Nothing in it needs time to end, and `sleep` as the first program of a container ignores the request to.
        pod["spec"]["terminationGracePeriodSeconds"] = json!(1);
        Ok(pod)
    }

    /// A pod that runs the container's own program, with the probes of its start and its readiness. It is not started
    /// again when it ends.
    pub fn server(&self) -> Result<Value, ClusterError> {
        let container = container::server(&self.container()?);
        let mut pod = self.pod(&container)?;
        self.take(&mut pod, &["terminationGracePeriodSeconds"]);
        Ok(pod)
    }

    /// A pod that is both, one after the other, so that a server finds what was loaded into an empty volume, which lives
    /// no longer than its pod. The init container [`LOADER`] waits until [`END_LOADING`] is run in it; then the server is
    /// started. The image must contain `sh` and `sleep`.
    pub fn loader_before_server(&self) -> Result<Value, ClusterError> {
        let command = json!(["sh", "-c", WAIT_FOR_END, self.seconds().to_string()]);
        let mut loader = container::loader(&self.container()?, command);
        loader["name"] = json!(LOADER);
        let mut pod = self.server()?;
        pod["spec"]["initContainers"] = json!([loader]);
        Ok(pod)
    }

    /// Whether the pod is made beside the workload's own.
    fn is_beside(&self) -> bool {
        self.workload["metadata"]["namespace"] == self.namespace
    }

    fn seconds(&self) -> u64 {
        self.lifetime.as_secs().max(1)
    }

    fn template(&self) -> &Value {
        &self.workload["spec"]["template"]["spec"]
    }

    fn template_container(&self) -> Result<&Value, ClusterError> {
        let kind = (self.workload["apiVersion"].as_str(), self.workload["kind"].as_str());
        if !matches!(kind, (Some("apps/v1"), Some("Deployment" | "StatefulSet" | "DaemonSet"))) {
            return Err(self.refused("it is not a Deployment, StatefulSet or DaemonSet of apps/v1"));
        }
        let containers = self.template()["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let found = match self.container {
            Some(name) => containers.iter().find(|container| container["name"] == name),
            None => containers.first(),
        };
        found.ok_or_else(|| match self.container {
            Some(name) => self.refused(&format!("it has no container {name}")),
            None => self.refused("it has no container"),
        })
    }

    /// The template's container. In a drill it reserves next to nothing: a busy machine must be able to prove its backups.
    fn container(&self) -> Result<Value, ClusterError> {
        let mut container = self.template_container()?.clone();
        if !self.is_beside() {
            container::reserve_little(&mut container);
        }
        Ok(container)
    }

    fn pod(&self, container: &Value) -> Result<Value, ClusterError> {
        let mounted = container::mounted(container);
        let volumes = volumes::of(self.workload, &mounted, self.volumes, self.is_beside());
        let volumes = volumes.map_err(|problem| self.refused(&problem))?;
        let purpose = if self.is_beside() { RESTORE } else { DRILL };
        let mut pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": {TEMPORARY_LABEL: purpose}},
            "spec": {
                "activeDeadlineSeconds": self.seconds(),
                "automountServiceAccountToken": false,
                "containers": [container],
                "enableServiceLinks": false,
                "restartPolicy": "Never",
                "serviceAccountName": "default",
                "volumes": volumes,
            },
        });
        self.owner.mark(&mut pod);
        self.take(&mut pod, POD_FIELDS);
        if !self.is_beside() {
            container::reserve_little(&mut pod["spec"]);
        }
        self.place(&mut pod);
        Ok(pod)
    }

    /// Where it runs, and whom it can find. Other pods' places do not matter to it.
    fn place(&self, pod: &mut Value) {
        if let Some(nodes) = self.template().pointer("/affinity/nodeAffinity") {
            pod["spec"]["affinity"] = json!({"nodeAffinity": nodes});
        }
        if self.is_beside() {
            self.take(pod, NETWORK_FIELDS);
        } else {
            // In a drill, a server must not find the site's own by their names, and must not reach them either.
            if self.has_runtime && pod["spec"]["runtimeClassName"].is_null() {
                pod["spec"]["runtimeClassName"] = json!(RUNTIME_CLASS);
            }
            pod["spec"]["dnsPolicy"] = json!("None");
            pod["spec"]["dnsConfig"] = json!({"nameservers": ["127.0.0.1"]});
        }
    }

    /// Takes fields over from the template.
    fn take(&self, pod: &mut Value, fields: &[&str]) {
        if let Value::Object(spec) = &mut pod["spec"] {
            container::take(spec, self.template(), fields);
        }
    }

    fn refused(&self, problem: &str) -> ClusterError {
        let text = |pointer: &str| self.workload.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (kind, namespace, name) = (text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
        let workload = ObjectName::new(text("/apiVersion"), kind, namespace, name);
        ClusterError::NoPod { workload: workload.into(), problem: problem.to_owned() }
    }
}

#[cfg(test)]
mod tests;
