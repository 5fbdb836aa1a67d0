//! Objects of a probe. Pure.

use std::time::Duration;

use serde_json::{Value, json};

use super::{CONTAINER, PROBE};
use crate::drill::TEMPORARY_LABEL;
use crate::labels::{MANAGED_BY, MANAGED_BY_LABEL};

/// Program in the root of the image, with arguments that request the facts of the node, including the node's own
/// mounts.
const COMMAND: [&str; 3] = ["/landfall-facts", "--mounts", "/proc/1/ns/mnt"];

/// A pod that prints the facts of its node.
#[derive(Debug, Clone, Copy)]
pub struct ProbePod<'a> {
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Name of the pod.
    pub name: &'a str,
    /// The node.
    pub node: &'a str,
    /// The image.
    pub image: &'a str,
    /// Maximum lifetime of the pod; Kubernetes ends it then.
    pub lifetime: Duration,
}

/// Returns the namespace of a probe. Its pods see the node's processes, network and mounts, which the Pod Security
/// Standards allow only at the level `privileged`.
pub(super) fn namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": {
            MANAGED_BY_LABEL: MANAGED_BY, TEMPORARY_LABEL: PROBE,
            "pod-security.kubernetes.io/enforce": "privileged",
            "pod-security.kubernetes.io/audit": "privileged",
            "pod-security.kubernetes.io/warn": "privileged",
        }},
    })
}

impl ProbePod<'_> {
    /// Returns the pod. It bypasses the scheduler, so reservations, taints and cordons of the node do not matter. It
    /// has no account, and its filesystem is read-only.
    pub(super) fn object(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": {
                MANAGED_BY_LABEL: MANAGED_BY, TEMPORARY_LABEL: PROBE,
            }},
            "spec": {
                "activeDeadlineSeconds": self.lifetime.as_secs().max(1),
                "automountServiceAccountToken": false,
                "containers": [{
                    "name": CONTAINER, "image": self.image, "imagePullPolicy": "IfNotPresent", "command": COMMAND,
                    "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}, "limits": {"memory": "1Gi"}},
                    "securityContext": {"privileged": true, "readOnlyRootFilesystem": true, "runAsUser": 0},
                }],
                "dnsPolicy": "Default",
                "enableServiceLinks": false,
                "hostNetwork": true,
                "hostPID": true,
                "nodeName": self.node,
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 1,
                "tolerations": [{"operator": "Exists"}],
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probe_pod_mounts_nothing_and_ends() {
        let pod = ProbePod {
            namespace: "landfall-probe-1",
            name: "probe-0",
            node: "worker-7",
            image: "registry.corp.example/facts:1",
            lifetime: Duration::from_millis(90_500),
        };
        let pod = pod.object();
        let spec = &pod["spec"];
        assert_eq!(spec["nodeName"], "worker-7");
        assert!(spec["hostPID"] == true && spec["hostNetwork"] == true);
        assert_eq!((&spec["automountServiceAccountToken"], &spec["restartPolicy"]), (&json!(false), &json!("Never")));
        assert_eq!(spec["activeDeadlineSeconds"], 90);
        assert_eq!(
            spec["volumes"],
            Value::Null,
            "nothing of the node is mounted, and nothing can be written through it"
        );
        let container = &spec["containers"][0];
        assert_eq!(container["command"], json!(["/landfall-facts", "--mounts", "/proc/1/ns/mnt"]));
        assert_eq!(container["image"], "registry.corp.example/facts:1");
    }

    #[test]
    fn probe_namespace_is_labeled() {
        let labels = &namespace("landfall-probe-1")["metadata"]["labels"];
        assert_eq!((&labels[MANAGED_BY_LABEL], &labels[TEMPORARY_LABEL]), (&json!(MANAGED_BY), &json!(PROBE)));
        assert_eq!(labels["pod-security.kubernetes.io/enforce"], "privileged");
    }
}
