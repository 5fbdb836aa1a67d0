//! kubeadm's phases, each a step of its own: a rerun of the whole stumbles over its leftovers, a rerun of one does not.
//!
//! Phases that write files are Done when the files are there: kubeadm keeps keys and certificates that are valid. Those
//! that write objects are Done when the objects are there; taking them back is the business of etcd's phase, whose undo
//! removes the data in which they live.

use std::path::PathBuf;

use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files;
use crate::node::programs::Programs;
use crate::node::{CONTROL_PLANE_LIMIT, teardown, wait};
use crate::site::Site;
use crate::step::{Observed, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeadmPhase {
    /// Version of Kubernetes, whose kubeadm runs.
    pub kubernetes: String,
    /// Which.
    pub phase: Phase,
}

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
    /// Static pods of API server, controller manager and scheduler.
    ControlPlane,
    /// The kubelet's configuration, at which the kubelet starts.
    KubeletStart,
    /// The configuration as objects, for later joins and upgrades.
    UploadConfiguration,
    /// Labels of the node.
    MarkControlPlane,
    /// The token by which nodes join, and what it may do.
    BootstrapToken,
    /// The kubelet's own rotating certificate.
    KubeletFinalize,
    /// kube-proxy.
    Proxy,
}

impl Phase {
    /// All of them, in order.
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

    /// Arguments after `kubeadm init phase`.
    fn arguments(self) -> &'static [&'static str] {
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

    /// Name of the step.
    pub fn id(self) -> String {
        format!("kubeadm/{}", self.arguments().join("-").trim_end_matches("-all"))
    }

    /// What a person reads.
    pub fn title(self) -> &'static str {
        match self {
            Self::Certificates => "make the cluster's certificates",
            Self::Kubeconfigs => "make kubeconfigs",
            Self::Etcd => "define etcd",
            Self::ControlPlane => "define API server, controller manager and scheduler",
            Self::KubeletStart => "start the kubelet",
            Self::UploadConfiguration => "keep the configuration in the cluster",
            Self::MarkControlPlane => "mark the node",
            Self::BootstrapToken => "let further nodes join",
            Self::KubeletFinalize => "give the kubelet a certificate that renews itself",
            Self::Proxy => "start kube-proxy",
        }
    }

    /// Files that it leaves, which tell whether it is done.
    fn files(self) -> &'static [&'static str] {
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

    /// An object that it leaves, as arguments of `kubectl get`.
    fn object(self) -> Option<&'static [&'static str]> {
        match self {
            Self::UploadConfiguration => Some(&["-n", "kube-system", "configmap", "kubeadm-config", "kubelet-config"]),
            Self::BootstrapToken => Some(&[
                "-n",
                "kube-public",
                "configmap",
                "cluster-info",
                "rolebinding",
                "kubeadm:bootstrap-signer-clusterinfo",
            ]),
            Self::Proxy => Some(&["-n", "kube-system", "daemonset", "kube-proxy"]),
            _ => None,
        }
    }
}

impl KubeadmPhase {
    fn observe_files(&self, site: &Site) -> Observed {
        let wanted = self.phase.files();
        let missing: Vec<_> = wanted.iter().filter(|path| !is_whole(&site.paths.host(path))).collect();
        match missing.first() {
            None => Observed::Done,
            Some(_) if missing.len() == wanted.len() => Observed::Absent,
            Some(path) => {
                Observed::Partial(format!("{} of {} files are missing, as {path}", missing.len(), wanted.len()))
            }
        }
    }

    fn observe_objects(&self, site: &Site) -> Result<Observed, StepError> {
        let programs = Programs::of(site, &self.kubernetes);
        if !site.paths.admin_kubeconfig().exists() {
            return Ok(Observed::Absent);
        }
        // After a power cut the control plane may still be coming up.
        wait::for_control_plane(site, &programs, CONTROL_PLANE_LIMIT)?;
        match self.phase {
            Phase::MarkControlPlane => {
                let get = programs.kubectl(&["get", "node", &site.node.name, "-o", "jsonpath={.metadata.labels}"]);
                let labels = site.run(&get)?;
                let marked = String::from_utf8_lossy(&labels).contains("node-role.kubernetes.io/control-plane");
                Ok(if marked { Observed::Done } else { Observed::Absent })
            }
            // `kubelet.conf` names a file with the kubelet's newest certificate instead of holding one.
            Phase::KubeletFinalize => {
                let text = files::read_text(&site.paths.kubernetes().join("kubelet.conf"))?.unwrap_or_default();
                Ok(if text.contains("kubelet-client-current.pem") { Observed::Done } else { Observed::Absent })
            }
            _ => {
                let Some(object) = self.phase.object() else { return Ok(Observed::Absent) };
                let get =
                    programs.kubectl(&["get", "--ignore-not-found", "-o", "name"]).arguments(object.iter().copied());
                let wanted = object.len() - 3;
                Ok(match String::from_utf8_lossy(&site.run(&get)?).lines().count() {
                    0 => Observed::Absent,
                    found if found < wanted => Observed::Partial(format!("{found} of {wanted} objects are there")),
                    _ => Observed::Done,
                })
            }
        }
    }

    /// Removes what a cut in the middle left and kubeadm would keep: empty files, and halves of pairs. Of a key without its
    /// certificate kubeadm makes nothing, ever; a certificate without its key is an authority elsewhere to it.
    fn remove_halves(&self, site: &Site) -> Result<(), StepError> {
        let files = self.phase.files();
        let lost: Vec<&str> = files.iter().copied().filter(|path| !is_whole(&site.paths.host(path))).collect();
        for path in files.iter().filter(|path| lost.iter().any(|lost| stem(lost) == stem(path))) {
            durable::remove_file(&site.paths.host(path))?;
        }
        Ok(())
    }

    fn undo_files(&self, site: &Site) -> Result<(), StepError> {
        for path in self.phase.files() {
            durable::remove_file(&site.paths.host(path))?;
        }
        Ok(())
    }
}

/// A path without its extension: the same for a key and its certificate.
fn stem(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(stem, _)| stem)
}

/// Whether a file is there and not empty: a power cut may leave an empty one.
fn is_whole(path: &PathBuf) -> bool {
    fs_err::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
}

impl Step<Site> for KubeadmPhase {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        if self.phase.files().is_empty() { self.observe_objects(site) } else { Ok(self.observe_files(site)) }
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        self.remove_halves(site)?;
        let programs = Programs::of(site, &self.kubernetes);
        let configuration = site.paths.kubeadm_configuration();
        let command = programs
            .kubeadm(&["init", "phase"])
            .arguments(self.phase.arguments().iter().copied())
            .argument("--config")
            .argument(configuration);
        site.run(&command)?;
        site.sync_filesystem(&site.paths.kubernetes())?;
        site.sync_filesystem(&site.paths.data())?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        self.undo_files(site)?;
        match self.phase {
            Phase::Certificates => {
                durable::remove_tree(&site.paths.kubernetes().join("pki"))?;
                files::remove_folder_if_empty(&site.paths.kubernetes())
            }
            // Without its configuration the agent does not start the kubelet again; nothing may write to etcd's data or
            // the packet filter while they are taken back.
            Phase::KubeletStart => teardown::stop_pods(&site.paths),
            Phase::Etcd => {
                durable::remove_tree(&site.paths.etcd())?;
                files::remove_folder_if_empty(&site.paths.static_pods())
            }
            _ => Ok(()),
        }
    }
}
