//! kubeadm's configuration, with all settings that are hard to change later.

use std::net::IpAddr;

use landfall_error_codes::codes;
use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cluster_secrets::{encryption_path, token_path};
use crate::context::NodeContext;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::facts::CgroupDriver;
use landfall_host::files;
use landfall_host::files::OwnFile;
use landfall_host::range::IpRange;

/// Setting that disables leader election, because the site's only node has no other instance. A program that misses a
/// renewal of its lease ends itself. On a busy machine after a boot, repeated restarts would keep the site from
/// becoming ready.
const LEADER_ELECT: &str = "false";

/// Name by which every part of the cluster finds the API server. It can move to another node or a load balancer.
pub const API_NAME: &str = "api.landfall.internal";

/// Validity of certificates: five years, because a site may spend years in a warehouse. The agent renews them after two
/// thirds.
const CERTIFICATE_VALIDITY: &str = "43800h0m0s";
/// Validity of certificate authorities: twenty years, because replacing an authority stops a cluster.
const AUTHORITY_VALIDITY: &str = "175200h0m0s";

/// Maximum delay before a container that ended is restarted; Kubernetes' default is five minutes. After a boot,
/// everything starts at once. A container that ended because it needs another part must restart soon after that part is
/// up.
const LONGEST_BACK_OFF: &str = "20s";

/// First minor version of Kubernetes whose kubelet supports the delay. An older kubelet would not start with it.
const BACK_OFF_SINCE: u32 = 35;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeadmConfiguration {
    /// Version of Kubernetes, such as `v1.36.3`.
    pub kubernetes: String,
    /// Repository prefix of the control plane's images, such as `registry.k8s.io`.
    pub image_repository: String,
    /// Repository prefix of etcd's image.
    pub etcd_repository: String,
    /// Tag of etcd's image.
    pub etcd_tag: String,
    /// Name of the node.
    pub node_name: String,
    /// Address that the API server, etcd and the kubelet advertise.
    pub node_address: IpAddr,
    /// Address ranges of pods.
    pub pod_ranges: Vec<IpRange>,
    /// Address ranges of services.
    pub service_ranges: Vec<IpRange>,
    /// Address of the cluster's nameserver.
    pub dns_address: IpAddr,
    /// Manager of pods' control groups.
    pub cgroup_driver: CgroupDriver,
    /// Version of control groups: 1 or 2.
    pub cgroup_version: u8,
    /// True if the host has a nameserver for pods that use the host's.
    pub nameserver: bool,
}

impl KubeadmConfiguration {
    fn file(&self, context: &NodeContext) -> Result<OwnFile, StepError> {
        Ok(OwnFile::new(context.host.paths.kubeadm_configuration(), self.text(context)?, 0o600))
    }

    /// Returns kubeadm's input, with the site's bootstrap token.
    pub(super) fn text(&self, context: &NodeContext) -> Result<String, StepError> {
        let token = files::read_text(&token_path(&context.secrets))?.ok_or_else(|| {
            StepError::new(codes::NODE_FILE, format!("{} is missing", token_path(&context.secrets).display()))
        })?;
        let documents = [self.init(context, token.trim()), self.cluster(context), self.kubelet(context), self.proxy()]
            .map(|document| to_yaml(&document));
        Ok(documents.into_iter().collect::<Result<Vec<_>, _>>()?.join("---\n"))
    }

    fn resolver(&self, context: &NodeContext) -> Option<OwnFile> {
        let text = "# Written by Landfall: this site has no nameserver of its own.\n";
        (!self.nameserver).then(|| OwnFile::new(context.host.paths.settings().join("resolv.conf"), text, 0o644))
    }

    fn files(&self, context: &NodeContext) -> Result<Vec<OwnFile>, StepError> {
        Ok([Some(self.file(context)?), self.resolver(context)].into_iter().flatten().collect())
    }

    fn init(&self, context: &NodeContext, token: &str) -> Value {
        let mut ignored = vec!["Service-kubelet", "Swap"];
        if self.cgroup_version == 1 {
            ignored.push("SystemVerification");
        }
        json!({
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "InitConfiguration",
            "bootstrapTokens": [{
                "token": token,
                "description": "Joins further nodes; written once by Landfall.",
                // Zero means no expiry: nodes may join years later, without the vendor.
                "ttl": "0s",
                "usages": ["signing", "authentication"],
                "groups": ["system:bootstrappers:kubeadm:default-node-token"],
            }],
            "localAPIEndpoint": { "advertiseAddress": self.node_address, "bindPort": 6443 },
            "nodeRegistration": {
                "name": self.node_name,
                "criSocket": format!("unix://{}", context.host.paths.containerd_socket().display()),
                "taints": [],
                "imagePullPolicy": "IfNotPresent",
                "ignorePreflightErrors": ignored,
                "kubeletExtraArgs": [
                    { "name": "node-ip", "value": self.node_address },
                    // Without it, a renamed host's kubelet would request a node of another name.
                    { "name": "hostname-override", "value": self.node_name },
                ],
            },
            // kubeadm derives the startup probes of static pods from it. On a slow or busy machine, they must not
            // restart before they have started.
            "timeouts": { "controlPlaneComponentHealthCheck": "20m0s" },
        })
    }

    fn cluster(&self, context: &NodeContext) -> Value {
        let encryption = encryption_path(&context.secrets);
        json!({
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "ClusterConfiguration",
            "clusterName": "landfall",
            "kubernetesVersion": self.kubernetes,
            "imageRepository": self.image_repository,
            "controlPlaneEndpoint": format!("{API_NAME}:6443"),
            "certificatesDir": "/etc/kubernetes/pki",
            "certificateValidityPeriod": CERTIFICATE_VALIDITY,
            "caCertificateValidityPeriod": AUTHORITY_VALIDITY,
            "networking": {
                "podSubnet": join_ranges(&self.pod_ranges),
                "serviceSubnet": join_ranges(&self.service_ranges),
                "dnsDomain": "cluster.local",
            },
            "etcd": { "local": {
                "dataDir": context.host.paths.etcd(),
                "imageRepository": self.etcd_repository,
                "imageTag": self.etcd_tag,
            }},
            "apiServer": {
                "certSANs": [API_NAME, self.node_name, self.node_address, "localhost", "127.0.0.1"],
                "extraArgs": [
                    { "name": "encryption-provider-config", "value": encryption },
                    { "name": "profiling", "value": "false" },
                ],
                "extraVolumes": [{
                    "name": "encryption",
                    "hostPath": encryption,
                    "mountPath": encryption,
                    "readOnly": true,
                    "pathType": "File",
                }],
            },
            "controllerManager": { "extraArgs": [
                // Kubelets' certificates must also outlive years in a warehouse.
                { "name": "cluster-signing-duration", "value": CERTIFICATE_VALIDITY },
                { "name": "flex-volume-plugin-dir", "value": "/var/lib/kubelet/volume-plugins" },
                { "name": "leader-elect", "value": LEADER_ELECT },
                { "name": "profiling", "value": "false" },
            ]},
            "scheduler": { "extraArgs": [
                { "name": "leader-elect", "value": LEADER_ELECT },
                { "name": "profiling", "value": "false" },
            ]},
        })
    }

    fn kubelet(&self, context: &NodeContext) -> Value {
        let mut kubelet = json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "cgroupDriver": self.cgroup_driver,
            "clusterDNS": [self.dns_address],
            "clusterDomain": "cluster.local",
            "rotateCertificates": true,
            "volumePluginDir": "/var/lib/kubelet/volume-plugins",
            "containerLogMaxSize": "10Mi",
            "containerLogMaxFiles": 5,
            "shutdownGracePeriod": "0s",
            // Swap that is off now may be on after the next boot. Pods do not use it.
            "failSwapOn": false,
            // Absolute limits: percentages of a large disk would evict pods while hundreds of gigabytes are free.
            "evictionHard": {
                "memory.available": "200Mi",
                "nodefs.available": "1Gi",
                "nodefs.inodesFree": "20000",
                "imagefs.available": "1Gi",
                "imagefs.inodesFree": "20000",
            },
            // This threshold is a percentage and therefore off. Below the limits above, unused images are deleted
            // first.
            "imageGCHighThresholdPercent": 100,
            // Pods return this long after space is available again. The default would leave the site idle for five
            // minutes.
            "evictionPressureTransitionPeriod": "1m0s",
            "evictionMinimumReclaim": { "nodefs.available": "512Mi", "imagefs.available": "512Mi" },
        });
        if self.minor_version().is_some_and(|minor| minor >= BACK_OFF_SINCE) {
            kubelet["crashLoopBackOff"] = json!({ "maxContainerRestartPeriod": LONGEST_BACK_OFF });
        }
        if self.cgroup_version == 1 {
            kubelet["failCgroupV1"] = json!(false);
        }
        if let Some(resolver) = self.resolver(context) {
            kubelet["resolvConf"] = json!(resolver.path);
        }
        kubelet
    }

    /// Returns the minor version, such as 36 of `v1.36.3`.
    fn minor_version(&self) -> Option<u32> {
        self.kubernetes.split('.').nth(1)?.parse().ok()
    }

    fn proxy(&self) -> Value {
        json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clusterCIDR": join_ranges(&self.pod_ranges),
            // Zero leaves the host's connection tracking unchanged.
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
        })
    }
}

fn join_ranges(ranges: &[IpRange]) -> String {
    ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Writes YAML with each text on one line, so that a search for a long path finds it.
fn to_yaml(document: &Value) -> Result<String, StepError> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(document, options)
        .map_err(|error| StepError::new(codes::BUG, "cannot write kubeadm's configuration as YAML").because(error))
}

impl Step<NodeContext> for KubeadmConfiguration {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        if !token_path(&context.secrets).exists() {
            return Ok(ObservedState::Absent);
        }
        files::observe(&self.files(context)?)
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        files::write(&self.files(context)?)?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut NodeContext, _before: &Value) -> Result<(), StepError> {
        durable::remove_file(&context.host.paths.kubeadm_configuration())?;
        if let Some(resolver) = self.resolver(context) {
            files::remove(&[resolver])?;
        }
        files::remove_folder_if_empty(&context.host.paths.node())
    }
}
