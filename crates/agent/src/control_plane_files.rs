//! The control plane's certificates: their files, and the renewal of those that kubeadm makes. Authorities and the key
//! of service accounts are never replaced, because everything that they signed would become invalid.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use landfall_error_codes::codes;
use landfall_media::durable;

use super::programs::Programs;
use super::renewal;
use super::renewal::{KUBECONFIGS, Renewal};
use super::validity::CertificateState;
use landfall_engine::step::StepError;
use landfall_host::files;
use landfall_host::paths::SitePaths;

/// Files that cannot be recreated.
const LASTING: [&str; 4] = [AUTHORITIES[0], AUTHORITIES[1], AUTHORITIES[2], "pki/sa"];
/// Certificate authorities, by path below `/etc/kubernetes` without extension.
pub(crate) const AUTHORITIES: [&str; 3] = ["pki/ca", "pki/front-proxy-ca", "pki/etcd/ca"];

/// Pairs that kubeadm creates for every control plane with its own etcd, by path below `/etc/kubernetes` without
/// extension. The list reveals a pair that is lost completely.
const MADE: [&str; 7] = [
    "pki/apiserver",
    "pki/apiserver-etcd-client",
    "pki/apiserver-kubelet-client",
    "pki/etcd/healthcheck-client",
    "pki/etcd/peer",
    "pki/etcd/server",
    "pki/front-proxy-client",
];

/// Pending work on the control plane's certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Work {
    /// Damaged pairs, by path below `/etc/kubernetes` without extension.
    pairs: Vec<String>,
    /// Names of damaged kubeconfigs.
    kubeconfigs: Vec<&'static str>,
    /// True if a certificate must be renewed.
    renews: bool,
}

/// Returns true if the control plane is installed: its manifests are written after all certificates.
pub(crate) fn is_installed(paths: &SitePaths) -> bool {
    paths.static_pods().join("kube-apiserver.yaml").exists()
}

/// Renews the control plane's certificates in a copy, if one is due. Returns true if new certificates are in place,
/// which the control plane reads only on a restart.
pub fn renew_control_plane(paths: &SitePaths, programs: &Programs, now: Timestamp) -> Result<bool, StepError> {
    let _lock = renewal::lock(paths)?;
    let was_cut = renewal::finish(paths)?;
    let work = work(paths, now)?;
    if work == Work::default() {
        return Ok(was_cut);
    }
    tracing::warn!(?work, "renewing the control plane's certificates");
    check_authorities(paths)?;
    let renewal = Renewal::begin(paths, programs)?;
    carry_out(paths, &renewal, &work)?;
    renewal.commit()?;
    Ok(true)
}

/// Runs kubeadm. It creates missing files and keeps existing ones, so damaged pairs are removed first, key included.
fn carry_out(paths: &SitePaths, renewal: &Renewal<'_>, work: &Work) -> Result<(), StepError> {
    for pair in &work.pairs {
        for extension in ["crt", "key"] {
            let file = paths.kubernetes().join(format!("{pair}.{extension}"));
            durable::remove_file(&renewal.in_copy(&file))?;
        }
    }
    if !work.pairs.is_empty() {
        renewal.kubeadm(&["init", "phase", "certs", "all"])?;
    }
    for name in &work.kubeconfigs {
        let file = paths.kubernetes().join(format!("{name}.conf"));
        durable::remove_file(&renewal.in_copy(&file))?;
        renewal.kubeadm(&["init", "phase", "kubeconfig", name])?;
    }
    if work.renews {
        renewal.kubeadm(&["certs", "renew", "all"])?;
    }
    Ok(())
}

fn work(paths: &SitePaths, now: Timestamp) -> Result<Work, StepError> {
    let mut work = Work::default();
    for pair in pairs(paths)? {
        let file = |extension: &str| files::read(&paths.kubernetes().join(format!("{pair}.{extension}")));
        let has_key = file("key")?.is_some_and(|key| !key.is_empty());
        match CertificateState::in_pem(file("crt")?.as_deref()).due(now) {
            Some(need) if need.is_damage() => work.pairs.push(pair),
            _ if !has_key => work.pairs.push(pair),
            due => work.renews |= due.is_some(),
        }
    }
    for name in KUBECONFIGS {
        let text = files::read(&paths.kubernetes().join(format!("{name}.conf")))?;
        match CertificateState::in_kubeconfig(text.as_deref()).due(now) {
            Some(need) if need.is_damage() => work.kubeconfigs.push(name),
            due => work.renews |= due.is_some(),
        }
    }
    Ok(work)
}

/// Returns the pairs that kubeadm creates and renews, by path below `/etc/kubernetes` without extension, including lost
/// ones.
pub(crate) fn pairs(paths: &SitePaths) -> Result<BTreeSet<String>, StepError> {
    let pair = |file: PathBuf| {
        let extension = file.extension()?.to_str()?;
        let name = file.strip_prefix(paths.kubernetes()).ok()?.with_extension("").to_str()?.to_owned();
        (["crt", "key"].contains(&extension) && !LASTING.contains(&name.as_str())).then_some(name)
    };
    let found = renewal::files_below(&paths.kubernetes().join("pki"))?.into_iter().filter_map(pair);
    Ok(MADE.into_iter().map(str::to_owned).chain(found).collect())
}

/// Fails if a file is lost that only a backup can restore. kubeadm would create one that matches nothing.
pub(crate) fn check_authorities(paths: &SitePaths) -> Result<(), StepError> {
    let is_whole = |path: &Path| fs_err::metadata(path).is_ok_and(|metadata| metadata.len() > 0);
    for authority in LASTING {
        let public = if authority == "pki/sa" { "pub" } else { "crt" };
        for extension in [public, "key"] {
            let path = paths.kubernetes().join(format!("{authority}.{extension}"));
            if !is_whole(&path) {
                let what = format!("{} is missing or empty, and cannot be made again", path.display());
                return Err(StepError::new(codes::NODE_CERTIFICATE, what).hint("Restore the file from a backup."));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::validity::tests::{PEM, at, kubeconfig};
    use landfall_host::pack;

    /// A host with the files of a control plane.
    pub(crate) struct Host {
        _folder: tempfile::TempDir,
        pub(crate) paths: SitePaths,
    }

    impl Host {
        /// Creates a host on which every certificate is [`PEM`].
        pub(crate) fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let host = Self { paths: SitePaths::below(folder.path()), _folder: folder };
            for name in ["ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "etcd/ca.key"] {
                host.write(&format!("pki/{name}"), "not to be read");
            }
            for name in ["sa.key", "sa.pub"] {
                host.write(&format!("pki/{name}"), "a key");
            }
            for pair in MADE {
                host.write(&format!("{pair}.key"), "a key");
                host.write(&format!("{pair}.crt"), PEM);
            }
            for name in KUBECONFIGS {
                host.write(&format!("{name}.conf"), &kubeconfig());
            }
            host
        }

        pub(crate) fn write(&self, name: &str, text: &str) {
            let path = self.paths.kubernetes().join(name);
            durable::create_folder(path.parent().unwrap()).unwrap();
            durable::write_file(&path, text.as_bytes(), 0o600).unwrap();
        }

        fn work(&self, now: &str) -> Work {
            work(&self.paths, at(now)).unwrap()
        }
    }

    const EARLY: &str = "2027-01-01T00:00:00Z";

    #[test]
    fn damaged_and_due_certificates_are_found() {
        let host = Host::new();
        assert_eq!(host.work(EARLY), Work::default());
        for late in ["2030-01-01T00:00:00Z", "2040-01-01T00:00:00Z", "2025-01-01T00:00:00Z"] {
            assert_eq!(host.work(late), Work { renews: true, ..Work::default() }, "{late}");
        }
        host.write("pki/apiserver.crt", "");
        host.write("pki/etcd/server.key", "");
        host.write("scheduler.conf", "");
        fs_err::remove_file(host.paths.kubernetes().join("super-admin.conf")).unwrap();
        // One pair is completely lost.
        for extension in ["crt", "key"] {
            fs_err::remove_file(host.paths.kubernetes().join(format!("pki/front-proxy-client.{extension}"))).unwrap();
        }
        let pairs = ["pki/apiserver", "pki/etcd/server", "pki/front-proxy-client"].map(str::to_owned).to_vec();
        let kubeconfigs = vec!["super-admin", "scheduler"];
        assert_eq!(host.work(EARLY), Work { pairs, kubeconfigs, renews: false });
    }

    #[test]
    fn lost_authority_is_never_recreated() {
        let host = Host::new();
        check_authorities(&host.paths).unwrap();
        host.write("pki/etcd/ca.key", "");
        host.write("pki/apiserver.crt", "");
        let programs = Programs::of(&host.paths, &pack::sample());
        let error = renew_control_plane(&host.paths, &programs, at(EARLY)).unwrap_err().to_string();
        assert!(error.contains("etcd/ca.key is missing or empty"), "{error}");
    }
}
