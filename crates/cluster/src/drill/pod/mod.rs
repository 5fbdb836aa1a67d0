//! Pods derived from a workload's template. Pure.
//!
//! They have what they need to use the workload's volumes as its own pods do: image, user, mounts, environment. They
//! have nothing that would let them take part in its work: no labels that a Service selects, no account, no host
//! network.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_release_document::container::{END_FIRST_PROGRAM, WAIT_FOR_END};
use serde_json::{Value, json};

use super::volumes::{self, DataVolume};
use super::{DRILL, RESTORE, RUNTIME_CLASS, TEMPORARY_LABEL, container};
use crate::{ClusterError, ObjectName, Owner};

/// Name of the loader container of [`DrillPod::loader_before_server`].
pub const LOADER: &str = "landfall-load";

/// Program, run in [`LOADER`], that ends the loader of [`DrillPod::loader_before_server`] after the volume was filled.
/// It returns immediately; the server starts a second later.
pub const END_LOADING: [&str; 3] = ["sh", "-c", END_FIRST_PROGRAM];

/// Fields of a template's `spec` that derived pods keep.
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

/// Further such fields, kept if Services and other hosts may be reached.
const NETWORK_FIELDS: &[&str] = &["dnsConfig", "dnsPolicy", "hostAliases"];

/// A pod derived from a workload.
#[derive(Debug, Clone, Copy)]
pub struct DrillPod<'a> {
    /// The Deployment, `StatefulSet` or `DaemonSet`, as rendered or as in the cluster, with its namespace.
    pub workload: &'a Value,
    /// Name of the container; `None` selects the workload's first one.
    pub container: Option<&'a str>,
    /// Namespace of the pod. In the workload's own namespace, the pod belongs to a restore; in any other, to a drill.
    pub namespace: &'a str,
    /// The pod's name.
    pub name: &'a str,
    /// Owner of the workload.
    pub owner: &'a Owner,
    /// Replacements for volumes of the workload, by volume name. In another namespace, this must include all volumes
    /// that would share data with the workload: see [`claims`](super::claims).
    pub volumes: &'a BTreeMap<String, DataVolume>,
    /// True if nodes have the runtime of drills. Pods of a drill use it, unless their template names another one.
    pub has_runtime: bool,
    /// Maximum lifetime of the pod; Kubernetes ends it then.
    pub lifetime: Duration,
}

impl DrillPod<'_> {
    /// Returns a pod whose container waits for the lifetime, so that programs can be run in it. Its image must contain
    /// `sleep`.
    pub fn loader(&self) -> Result<Value, ClusterError> {
        let command = json!(["sleep", self.seconds().to_string()]);
        let container = container::loader(&self.container()?, command);
        let mut pod = self.pod(&container)?;
        // Nothing in the pod needs time to shut down, and `sleep` as PID 1 ignores the termination signal.
        pod["spec"]["terminationGracePeriodSeconds"] = json!(1);
        Ok(pod)
    }

    /// Returns a pod that runs the container's own program, with its startup and readiness probes. It is not restarted
    /// when it ends.
    pub fn server(&self) -> Result<Value, ClusterError> {
        let container = container::server(&self.container()?);
        let mut pod = self.pod(&container)?;
        self.take(&mut pod, &["terminationGracePeriodSeconds"]);
        Ok(pod)
    }

    /// Returns a pod that is first a loader, then a server. The server thus finds the data loaded into an empty volume,
    /// which lives only as long as its pod. The init container [`LOADER`] waits until [`END_LOADING`] is run in it;
    /// then the server starts. The image must contain `sh` and `sleep`.
    pub fn loader_before_server(&self) -> Result<Value, ClusterError> {
        let command = json!(["sh", "-c", WAIT_FOR_END, self.seconds().to_string()]);
        let mut loader = container::loader(&self.container()?, command);
        loader["name"] = json!(LOADER);
        let mut pod = self.server()?;
        pod["spec"]["initContainers"] = json!([loader]);
        Ok(pod)
    }

    /// Returns true if the pod is created in the workload's own namespace.
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
            return Err(self.no_pod_error("it is not a Deployment, StatefulSet or DaemonSet of apps/v1"));
        }
        let containers = self.template()["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let found = match self.container {
            Some(name) => containers.iter().find(|container| container["name"] == name),
            None => containers.first(),
        };
        found.ok_or_else(|| match self.container {
            Some(name) => self.no_pod_error(&format!("it has no container {name}")),
            None => self.no_pod_error("it has no container"),
        })
    }

    /// Returns the template's container. In a drill, it reserves next to nothing: even a busy machine must be able to
    /// prove its backups.
    fn container(&self) -> Result<Value, ClusterError> {
        let mut container = self.template_container()?.clone();
        if !self.is_beside() {
            container::reserve_little(&mut container);
        }
        Ok(container)
    }

    fn pod(&self, container: &Value) -> Result<Value, ClusterError> {
        let mounted = container::mounted_volumes(container);
        let volumes = volumes::of(self.workload, &mounted, self.volumes, self.is_beside());
        let volumes = volumes.map_err(|problem| self.no_pod_error(&problem))?;
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

    /// Sets where the pod runs and which names it can resolve. The placement of other pods is ignored.
    fn place(&self, pod: &mut Value) {
        if let Some(nodes) = self.template().pointer("/affinity/nodeAffinity") {
            pod["spec"]["affinity"] = json!({"nodeAffinity": nodes});
        }
        if self.is_beside() {
            self.take(pod, NETWORK_FIELDS);
        } else {
            // In a drill, a server must neither resolve nor reach the site's own servers.
            if self.has_runtime && pod["spec"]["runtimeClassName"].is_null() {
                pod["spec"]["runtimeClassName"] = json!(RUNTIME_CLASS);
            }
            pod["spec"]["dnsPolicy"] = json!("None");
            pod["spec"]["dnsConfig"] = json!({"nameservers": ["127.0.0.1"]});
        }
    }

    /// Copies fields from the template.
    fn take(&self, pod: &mut Value, fields: &[&str]) {
        if let Value::Object(spec) = &mut pod["spec"] {
            container::take(spec, self.template(), fields);
        }
    }

    fn no_pod_error(&self, problem: &str) -> ClusterError {
        let text = |pointer: &str| self.workload.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (kind, namespace, name) = (text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
        let workload = ObjectName::new(text("/apiVersion"), kind, namespace, name);
        ClusterError::NoPod { workload: workload.into(), problem: problem.to_owned() }
    }
}

#[cfg(test)]
mod tests;
