//! Certificates are issued again and renewed by real kubeadm, in a copy, whatever a power cut left of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use landfall_agent::control_plane_files::renew_control_plane;
use landfall_agent::kubelet_files;
use landfall_agent::programs::Programs;
use landfall_agent::renewal::files_below;
use landfall_agent::validity::CertificateState;
use landfall_host::command::{CommandRunner, Subprocesses};
use landfall_host::pack;
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use serde_json::json;

use crate::fixture::{ControlPlane, KUBERNETES};

/// What kubeadm must leave alone.
const KEPT: [&str; 8] =
    ["ca.crt", "ca.key", "etcd/ca.crt", "etcd/ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.key", "sa.pub"];

/// A host with everything that `kubeadm init` makes of certificates.
struct Host {
    _plane: ControlPlane,
    paths: SitePaths,
    programs: Programs,
}

impl Host {
    fn new() -> Self {
        let plane = ControlPlane::without_programs();
        let paths = SitePaths::below(plane.root());
        plane.place_programs(&paths);
        let host = Self { programs: Programs::of(&paths, &pack::sample()), paths, _plane: plane };
        let init = json!({
            "apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": "192.0.2.1"},
            "nodeRegistration": {"name": "node", "criSocket": "unix:///run/landfall/containerd/containerd.sock"},
        });
        let cluster = json!({
            "apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "ClusterConfiguration", "kubernetesVersion": KUBERNETES,
            "certificatesDir": "/etc/kubernetes/pki", "controlPlaneEndpoint": "127.0.0.1:6443",
            "certificateValidityPeriod": "43800h0m0s",
            // Elliptic keys: many keys of the usual kind would take minutes.
            "encryptionAlgorithm": "ECDSA-P256",
        });
        write(&host.paths.kubeadm_configuration(), &format!("{init}\n---\n{cluster}\n"));
        for phase in [["certs", "all"], ["kubeconfig", "all"]] {
            let command = host
                .programs
                .kubeadm(&["--rootfs"])
                .argument(host.paths.host("/"))
                .arguments(["init", "phase"])
                .arguments(phase)
                .arguments(["--config", "/var/lib/landfall/node/kubeadm.yaml"]);
            command.check_output(Subprocesses.run(&command, None)).unwrap();
        }
        host
    }

    fn renew(&self, now: Timestamp) -> bool {
        renew_control_plane(&self.paths, &self.programs, now).unwrap()
    }

    /// All files with certificates and keys, with their content.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = files_below(&self.paths.kubernetes()).unwrap();
        files.into_iter().map(|file| (file.clone(), fs_err::read(file).unwrap())).collect()
    }
}

fn write(path: &std::path::Path, text: &str) {
    durable::create_folder(path.parent().unwrap()).unwrap();
    durable::write_file(path, text.as_bytes(), 0o600).unwrap();
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn lost_kubelet_certificate_is_replaced() {
    let host = Host::new();
    let now = Timestamp::now();
    let (kubeconfig, pki) = (host.paths.kubernetes().join("kubelet.conf"), host.paths.kubelet_mount().join("pki"));
    let current = pki.join("kubelet-client-current.pem");
    let named = "users:\n- user:\n    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n";
    let others = || {
        let mut files = host.files();
        files.remove(&kubeconfig);
        files
    };
    let before = others();
    for (text, held) in [(named, Some("")), (named, Some("torn")), (named, None), ("", None)] {
        write(&kubeconfig, text);
        durable::remove_file(&current).unwrap();
        held.inspect(|held| write(&current, held));
        assert!(kubelet_files::needs_repair(&host.paths, now).unwrap());
        kubelet_files::prepare(&host.paths, &host.programs, now).unwrap();
        // kubeadm asked the clock a little later.
        let found = CertificateState::in_kubeconfig(Some(&fs_err::read(&kubeconfig).unwrap()));
        assert_eq!(found.due(Timestamp::now()), None, "{text:?} {held:?}");
        assert!(!current.exists() && !host.paths.renewal().exists());
        assert!(!kubelet_files::needs_repair(&host.paths, Timestamp::now()).unwrap());
        assert!(before == others(), "nothing else was changed");
    }
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn control_plane_certificates_are_renewed() {
    let host = Host::new();
    let now = Timestamp::now();
    assert!(!host.renew(now), "nothing is due");
    let born = host.files();
    let pki = host.paths.kubernetes().join("pki");
    let damaged =
        [pki.join("apiserver.crt"), pki.join("etcd/peer.key"), host.paths.kubernetes().join("scheduler.conf")];
    for file in &damaged {
        write(file, "");
    }
    durable::remove_file(&pki.join("front-proxy-client.crt")).unwrap();
    assert!(host.renew(now));
    assert!(!host.renew(Timestamp::now()), "everything is whole");
    let healed = host.files();
    let changed: Vec<_> = born.iter().filter(|(file, bytes)| healed[*file] != **bytes).map(|(file, _)| file).collect();
    // Three pairs and a kubeconfig.
    assert_eq!(changed.len(), 7, "{changed:?}");

    // Years later. kubeadm itself asks today's clock.
    assert!(host.renew(now + SignedDuration::from_hours(4 * 8766)));
    let renewed = host.files();
    assert_eq!(healed.len(), renewed.len());
    for (file, bytes) in &healed {
        let is_kept = file.ends_with("kubelet.conf") || KEPT.iter().any(|name| *file == pki.join(name));
        assert_eq!(renewed[file] == *bytes, is_kept, "{}", file.display());
    }
    assert!(!host.paths.renewal().exists());
}
