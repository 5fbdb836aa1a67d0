//! All certificates of a node, for reports of their expiry.

use super::control_plane_files;
use super::kubelet_files;
use super::renewal::KUBECONFIGS;
use super::validity::{CertificateState, HeldCertificate};
use landfall_engine::step::StepError;
use landfall_host::files;
use landfall_host::paths::SitePaths;

/// Returns the certificates of the control plane and the kubelet; empty without a control plane. Changes nothing.
pub fn held_certificates(paths: &SitePaths) -> Result<Vec<HeldCertificate>, StepError> {
    if !control_plane_files::is_installed(paths) {
        return Ok(Vec::new());
    }
    let mut held = Vec::new();
    let pairs = control_plane_files::pairs(paths)?;
    for name in control_plane_files::AUTHORITIES.into_iter().chain(pairs.iter().map(String::as_str)) {
        let file = paths.kubernetes().join(format!("{name}.crt"));
        let found = CertificateState::in_pem(files::read(&file)?.as_deref());
        held.push(HeldCertificate { file, found });
    }
    for name in KUBECONFIGS {
        let file = paths.kubernetes().join(format!("{name}.conf"));
        let found = CertificateState::in_kubeconfig(files::read(&file)?.as_deref());
        held.push(HeldCertificate { file, found });
    }
    held.extend(kubelet_files::held_certificates(paths)?);
    Ok(held)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use landfall_media::durable;

    use super::*;
    use crate::validity::tests::{PEM, kubeconfig};

    #[test]
    fn node_certificates_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let write = |file: PathBuf, text: &str| {
            durable::create_folder(file.parent().unwrap()).unwrap();
            durable::write_file(&file, text.as_bytes(), 0o600).unwrap();
        };
        assert_eq!(held_certificates(&paths).unwrap(), []);
        let kubernetes = paths.kubernetes();
        write(kubernetes.join("manifests/kube-apiserver.yaml"), "whole");
        for name in
            ["ca.crt", "front-proxy-ca.crt", "etcd/ca.crt", "apiserver.crt", "apiserver.key", "sa.pub", "sa.key"]
        {
            write(kubernetes.join("pki").join(name), PEM);
        }
        for name in ["admin", "super-admin", "controller-manager", "kubelet"] {
            write(kubernetes.join(format!("{name}.conf")), &kubeconfig());
        }
        write(kubernetes.join("pki/etcd/ca.crt"), "");
        write(paths.kubelet_mount().join("pki/kubelet.crt"), PEM);
        let found = held_certificates(&paths).unwrap();
        let names = |wanted: fn(CertificateState) -> bool| {
            let wanted = found.iter().filter(|one| wanted(one.found));
            wanted.map(|one| one.file.strip_prefix(folder.path()).unwrap().display().to_string()).collect::<Vec<_>>()
        };
        let missing = [
            "etc/kubernetes/pki/apiserver-etcd-client.crt",
            "etc/kubernetes/pki/apiserver-kubelet-client.crt",
            "etc/kubernetes/pki/etcd/healthcheck-client.crt",
            "etc/kubernetes/pki/etcd/peer.crt",
            "etc/kubernetes/pki/etcd/server.crt",
            "etc/kubernetes/pki/front-proxy-client.crt",
            "etc/kubernetes/scheduler.conf",
        ];
        assert_eq!(names(|found| found == CertificateState::Missing), missing);
        assert_eq!(names(|found| found == CertificateState::Unreadable), ["etc/kubernetes/pki/etcd/ca.crt"]);
        assert_eq!(
            names(|found| matches!(found, CertificateState::Whole(_))),
            [
                "etc/kubernetes/pki/ca.crt",
                "etc/kubernetes/pki/front-proxy-ca.crt",
                "etc/kubernetes/pki/apiserver.crt",
                "etc/kubernetes/admin.conf",
                "etc/kubernetes/super-admin.conf",
                "etc/kubernetes/controller-manager.conf",
                "etc/kubernetes/kubelet.conf",
                "var/lib/kubelet/pki/kubelet.crt",
            ]
        );
    }
}
