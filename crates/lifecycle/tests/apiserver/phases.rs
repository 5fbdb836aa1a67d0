//! kubeadm's phases over what a power cut leaves of them: real kubeadm, and the objects and files that it really
//! leaves.

use landfall_engine::step::{ObservedState, Step};
use landfall_host::paths::SitePaths;
use landfall_lifecycle::context::Site;
use landfall_lifecycle::steps::kubeadm_phase::{KubeadmPhase, Phase};
use landfall_media::durable;
use serde_json::{Value, json};

use crate::fixture::{ControlPlane, KUBERNETES, release};

fn phase(phase: Phase) -> KubeadmPhase {
    KubeadmPhase { pack: landfall_host::pack::sample(), phase }
}

/// A site on which this control plane was just brought up: the node is known, and programs are where steps look.
fn site(plane: &ControlPlane) -> Site {
    let site = plane.site(release(&json!([]), &json!([]), &json!([])), &[]);
    plane.place_programs(&site.data.paths);
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": site.peer.node.name}});
    plane.kubectl(&["create", "-f", "-"], Some(&node));
    site
}

/// What a phase leaves, as kinds and names for kubectl, each with the namespace of those that have one.
const PROXY: (&str, &[&str]) = (
    "kube-system",
    &[
        "configmap/kube-proxy",
        "daemonset/kube-proxy",
        "serviceaccount/kube-proxy",
        "clusterrolebinding/kubeadm:node-proxier",
        "role/kube-proxy",
        "rolebinding/kube-proxy",
    ],
);
const CLUSTER_INFORMATION: (&str, &[&str]) = (
    "kube-public",
    &[
        "clusterrolebinding/kubeadm:node-autoapprove-bootstrap",
        "configmap/cluster-info",
        "role/kubeadm:bootstrap-signer-clusterinfo",
        "rolebinding/kubeadm:bootstrap-signer-clusterinfo",
    ],
);
const CONFIGURATION: (&str, &[&str]) = (
    "kube-system",
    &["configmap/kubeadm-config", "rolebinding/kubeadm:nodes-kubeadm-config", "rolebinding/kubeadm:kubelet-config"],
);

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn phase_needs_all_results() {
    let plane = ControlPlane::start();
    let site = &mut site(&plane);
    let (rights, group) = ("kubeadm:cluster-admins", "--group=kubeadm:cluster-admins");
    for (step, arguments, (namespace, objects)) in [
        (phase(Phase::UploadConfiguration), ["upload-config", "all"].as_slice(), CONFIGURATION),
        (phase(Phase::BootstrapToken), &["bootstrap-token"], CLUSTER_INFORMATION),
        (phase(Phase::Proxy), &["addon", "kube-proxy"], PROXY),
    ] {
        assert_eq!(step.observe(site).unwrap(), ObservedState::Absent, "{arguments:?}");
        plane.kubeadm_phase(arguments);
        if step.phase == Phase::UploadConfiguration {
            // kubeadm itself does this where the kubeconfig is the one in /etc/kubernetes.
            plane.kubectl(&["create", "clusterrolebinding", rights, "--clusterrole=cluster-admin", group], None);
        }
        assert_eq!(step.observe(site).unwrap(), ObservedState::Done, "{arguments:?}");
        for object in objects {
            plane.kubectl(&["delete", "-n", namespace, object], None);
            let observed = step.observe(site).unwrap();
            assert!(matches!(observed, ObservedState::Partial(_)), "without {object}: {observed:?}");
            plane.kubeadm_phase(arguments);
            assert_eq!(step.observe(site).unwrap(), ObservedState::Done, "{object} came again");
        }
    }
}

/// kubeadm syncs nothing: a cut leaves any of its files empty, in any order.
#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn lost_certificate_files_are_recreated() {
    let plane = ControlPlane::without_programs();
    let site = &mut plane.site(release(&json!([]), &json!([]), &json!([])), &[]);
    plane.place_programs(&site.data.paths);
    let configuration = json!({
        "apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "ClusterConfiguration", "kubernetesVersion": KUBERNETES,
        "certificatesDir": site.data.paths.kubernetes().join("pki"), "controlPlaneEndpoint": "127.0.0.1:6443",
        // Elliptic keys: sixty keys of the usual kind would take minutes.
        "encryptionAlgorithm": "ECDSA-P256",
    });
    write(&site.data.paths, &configuration);
    let step = phase(Phase::Certificates);
    step.act(site, &Value::Null).unwrap();
    assert_eq!(step.observe(site).unwrap(), ObservedState::Done);
    for lost in ["ca.key", "ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "apiserver.key", "etcd/peer.crt", "sa.pub"] {
        let path = site.data.paths.kubernetes().join("pki").join(lost);
        durable::write_file(&path, b"", 0o600).unwrap();
        assert!(matches!(step.observe(site).unwrap(), ObservedState::Partial(_)), "{lost}");
        step.act(site, &Value::Null).unwrap_or_else(|error| panic!("{lost}: {error}"));
        assert_eq!(step.observe(site).unwrap(), ObservedState::Done, "{lost}");
    }
}

fn write(paths: &SitePaths, configuration: &Value) {
    let init = json!({
        "apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "InitConfiguration",
        "localAPIEndpoint": {"advertiseAddress": "192.0.2.1"}, "nodeRegistration": {"name": "node"},
    });
    let path = paths.kubeadm_configuration();
    durable::create_folder(path.parent().unwrap()).unwrap();
    durable::write_file(&path, format!("{init}\n---\n{configuration}\n").as_bytes(), 0o600).unwrap();
}
