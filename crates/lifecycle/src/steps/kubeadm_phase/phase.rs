//! kubeadm's phases, with their names and results.

use serde::{Deserialize, Serialize};

/// Phases in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Certificate authorities, keys and certificates.
    Certificates,
    /// Kubeconfigs of administrator, kubelet, controller manager and scheduler.
    Kubeconfigs,
    /// etcd's static pod.
    Etcd,
    /// Static pods of the API server, controller manager and scheduler.
    ControlPlane,
    /// The kubelet's configuration, which lets the kubelet start.
    KubeletStart,
    /// The configuration as objects, for later joins and upgrades.
    UploadConfiguration,
    /// Labels of the control plane's node.
    MarkControlPlane,
    /// The token with which nodes join, and its rights.
    BootstrapToken,
    /// The kubelet's own rotating certificate.
    KubeletFinalize,
    /// kube-proxy.
    Proxy,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Self; 10] = [
        Self::Certificates,
        Self::Kubeconfigs,
        Self::Etcd,
        Self::ControlPlane,
        Self::KubeletStart,
        Self::UploadConfiguration,
        Self::MarkControlPlane,
        Self::BootstrapToken,
        Self::KubeletFinalize,
        Self::Proxy,
    ];

    /// Returns the arguments after `kubeadm init phase`.
    pub(in crate::steps) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Certificates => &["certs", "all"],
            Self::Kubeconfigs => &["kubeconfig", "all"],
            Self::Etcd => &["etcd", "local"],
            Self::ControlPlane => &["control-plane", "all"],
            Self::KubeletStart => &["kubelet-start"],
            Self::UploadConfiguration => &["upload-config", "all"],
            Self::MarkControlPlane => &["mark-control-plane"],
            Self::BootstrapToken => &["bootstrap-token"],
            Self::KubeletFinalize => &["kubelet-finalize", "all"],
            Self::Proxy => &["addon", "kube-proxy"],
        }
    }

    /// Returns the ID of the step.
    pub fn id(self) -> String {
        format!("kubeadm/{}", self.arguments().join("-").trim_end_matches("-all"))
    }

    /// Returns the title for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Certificates => "make the cluster's certificates",
            Self::Kubeconfigs => "make kubeconfigs",
            Self::Etcd => "define etcd",
            Self::ControlPlane => "define API server, controller manager and scheduler",
            Self::KubeletStart => "start the kubelet",
            Self::UploadConfiguration => "store the configuration in the cluster",
            Self::MarkControlPlane => "label the node",
            Self::BootstrapToken => "allow further nodes to join",
            Self::KubeletFinalize => "give the kubelet a certificate that renews itself",
            Self::Proxy => "start kube-proxy",
        }
    }

    /// Returns the files that the phase writes, which show whether it is done.
    pub(super) fn files(self) -> &'static [&'static str] {
        match self {
            Self::Certificates => &[
                "/etc/kubernetes/pki/ca.crt",
                "/etc/kubernetes/pki/ca.key",
                "/etc/kubernetes/pki/apiserver.crt",
                "/etc/kubernetes/pki/apiserver.key",
                "/etc/kubernetes/pki/apiserver-kubelet-client.crt",
                "/etc/kubernetes/pki/apiserver-kubelet-client.key",
                "/etc/kubernetes/pki/front-proxy-ca.crt",
                "/etc/kubernetes/pki/front-proxy-ca.key",
                "/etc/kubernetes/pki/front-proxy-client.crt",
                "/etc/kubernetes/pki/front-proxy-client.key",
                "/etc/kubernetes/pki/etcd/ca.crt",
                "/etc/kubernetes/pki/etcd/ca.key",
                "/etc/kubernetes/pki/etcd/server.crt",
                "/etc/kubernetes/pki/etcd/server.key",
                "/etc/kubernetes/pki/etcd/peer.crt",
                "/etc/kubernetes/pki/etcd/peer.key",
                "/etc/kubernetes/pki/etcd/healthcheck-client.crt",
                "/etc/kubernetes/pki/etcd/healthcheck-client.key",
                "/etc/kubernetes/pki/apiserver-etcd-client.crt",
                "/etc/kubernetes/pki/apiserver-etcd-client.key",
                "/etc/kubernetes/pki/sa.key",
                "/etc/kubernetes/pki/sa.pub",
            ],
            Self::Kubeconfigs => &[
                "/etc/kubernetes/admin.conf",
                "/etc/kubernetes/super-admin.conf",
                "/etc/kubernetes/kubelet.conf",
                "/etc/kubernetes/controller-manager.conf",
                "/etc/kubernetes/scheduler.conf",
            ],
            Self::Etcd => &["/etc/kubernetes/manifests/etcd.yaml"],
            Self::ControlPlane => &[
                "/etc/kubernetes/manifests/kube-apiserver.yaml",
                "/etc/kubernetes/manifests/kube-controller-manager.yaml",
                "/etc/kubernetes/manifests/kube-scheduler.yaml",
            ],
            Self::KubeletStart => &["/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env"],
            _ => &[],
        }
    }

    /// Returns all objects that the phase writes. An interrupted kubeadm leaves only the first ones.
    pub(super) fn objects(self) -> Option<Objects> {
        let (namespace, names): (_, &[_]) = match self {
            Self::UploadConfiguration => (
                "kube-system",
                &[
                    "clusterrolebinding/kubeadm:cluster-admins",
                    "configmap/kubeadm-config",
                    "role/kubeadm:nodes-kubeadm-config",
                    "rolebinding/kubeadm:nodes-kubeadm-config",
                    "configmap/kubelet-config",
                    "role/kubeadm:kubelet-config",
                    "rolebinding/kubeadm:kubelet-config",
                ],
            ),
            // The token itself, which kubeadm writes first, has a generated name in another namespace.
            Self::BootstrapToken => (
                "kube-public",
                &[
                    "clusterrole/kubeadm:get-nodes",
                    "clusterrolebinding/kubeadm:get-nodes",
                    "clusterrolebinding/kubeadm:kubelet-bootstrap",
                    "clusterrolebinding/kubeadm:node-autoapprove-bootstrap",
                    "clusterrolebinding/kubeadm:node-autoapprove-certificate-rotation",
                    "clusterrolebinding/kubeadm:apiserver-kubelet-client",
                    "configmap/cluster-info",
                    "role/kubeadm:bootstrap-signer-clusterinfo",
                    "rolebinding/kubeadm:bootstrap-signer-clusterinfo",
                ],
            ),
            Self::Proxy => (
                "kube-system",
                &[
                    "configmap/kube-proxy",
                    "daemonset/kube-proxy",
                    "serviceaccount/kube-proxy",
                    "clusterrolebinding/kubeadm:node-proxier",
                    "role/kube-proxy",
                    "rolebinding/kube-proxy",
                ],
            ),
            _ => return None,
        };
        Some(Objects { namespace, names })
    }
}

/// Objects that a phase writes, with their common namespace if they have one.
pub(super) struct Objects {
    pub(super) namespace: &'static str,
    /// Kind and name of each, because `kubectl get` takes several kinds at once.
    pub(super) names: &'static [&'static str],
}

/// Certificate authorities among the files of the phase, which sign the other certificates.
pub(super) const AUTHORITIES: [&str; 3] =
    ["/etc/kubernetes/pki/ca", "/etc/kubernetes/pki/front-proxy-ca", "/etc/kubernetes/pki/etcd/ca"];
