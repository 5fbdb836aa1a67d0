//! Certificates of the control plane and the kubelet: renewed at two thirds of their life, and issued again at boot when
//! they expired while the machine was switched off. The clock of the machine decides.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use landfall_error_codes::codes;
use landfall_media::durable;
use x509_cert::Certificate;
use x509_cert::der::DecodePem;

use super::programs::Programs;
use super::supervisor;
use landfall_engine::step::StepError;
use landfall_host::command::{CommandRunner, Subprocesses};
use landfall_host::paths::SitePaths;
use landfall_host::{files, process};

/// Kubeconfigs that hold certificates which kubeadm renews.
const KUBECONFIGS: [&str; 4] = ["admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf"];
/// Programs that must be restarted to read a renewed certificate.
const CONTROL_PLANE: [&str; 4] = ["kube-apiserver", "kube-controller", "kube-scheduler", "etcd"];

/// Time in which a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Validity {
    begins: Timestamp,
    ends: Timestamp,
}

impl Validity {
    fn is_due(self, now: Timestamp) -> bool {
        let life = self.ends.as_second() - self.begins.as_second();
        now.as_second() >= self.begins.as_second() + life / 3 * 2
    }
}

/// Renews what is due. A control plane that is not there yet has nothing to renew.
pub fn renew(paths: &SitePaths, kubernetes: &str, now: Timestamp) -> Result<(), StepError> {
    let programs = Programs::at(paths, kubernetes);
    if control_plane(paths)?.into_iter().any(|validity| validity.is_due(now)) {
        tracing::warn!("renewing the control plane's certificates");
        let renew = programs.kubeadm(&["certs", "renew", "all", "--config"]).argument(paths.kubeadm_configuration());
        renew.checked(Subprocesses.run(&renew, None))?;
        durable::sync_filesystem(&paths.kubernetes())?;
        restart_control_plane();
    }
    let kubelet = paths.kubelet().join("pki/kubelet-client-current.pem");
    let expired = match files::read_text(&kubelet)? {
        Some(text) => validity(&text, &kubelet)?.ends <= now,
        None => false,
    };
    if expired { reissue_kubelet(paths, &programs) } else { Ok(()) }
}

/// An expired certificate of the kubelet cannot renew itself: the cluster no longer listens to it.
fn reissue_kubelet(paths: &SitePaths, programs: &Programs) -> Result<(), StepError> {
    tracing::warn!("issuing the kubelet's certificate again");
    durable::remove_file(&paths.kubernetes().join("kubelet.conf"))?;
    let issue = programs
        .kubeadm(&["init", "phase", "kubeconfig", "kubelet", "--config"])
        .argument(paths.kubeadm_configuration());
    issue.checked(Subprocesses.run(&issue, None))?;
    durable::sync_filesystem(&paths.kubernetes())?;
    durable::remove_file(&paths.kubelet().join("pki/kubelet-client-current.pem"))?;
    let running: Vec<_> = supervisor::running(paths, "kubelet").into_iter().collect();
    process::end(&running, Duration::from_secs(10));
    Ok(())
}

/// The kubelet starts their containers again, which then read the new files.
fn restart_control_plane() {
    let found = process::find(|pid| {
        let name = fs_err::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let group = fs_err::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        CONTROL_PLANE.contains(&name.trim()) && group.contains("kubepods")
    });
    process::end(&found, Duration::from_secs(30));
}

fn control_plane(paths: &SitePaths) -> Result<Vec<Validity>, StepError> {
    let mut found = Vec::new();
    for folder in [paths.kubernetes().join("pki"), paths.kubernetes().join("pki/etcd")] {
        for path in certificates_in(&folder) {
            if let Some(text) = files::read_text(&path)? {
                found.push(validity(&text, &path)?);
            }
        }
    }
    for name in KUBECONFIGS {
        let path = paths.kubernetes().join(name);
        if let Some(text) = files::read_text(&path)?
            && let Some(certificate) = client_certificate(&text)
        {
            found.push(validity(&certificate, &path)?);
        }
    }
    Ok(found)
}

/// Certificates that kubeadm renews: all but those of authorities.
fn certificates_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs_err::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "crt"))
        .filter(|path| !path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("ca")))
        .collect();
    found.sort();
    found
}

/// The certificate, as PEM, that a kubeconfig holds.
fn client_certificate(kubeconfig: &str) -> Option<String> {
    let line = kubeconfig.lines().find_map(|line| line.trim().strip_prefix("client-certificate-data:"))?;
    String::from_utf8(STANDARD.decode(line.trim()).ok()?).ok()
}

fn validity(pem: &str, path: &Path) -> Result<Validity, StepError> {
    const END: &str = "-----END CERTIFICATE-----";
    let failed =
        || StepError::new(codes::NODE_CERTIFICATE, format!("cannot read the certificate in {}", path.display()));
    // Keys and further certificates may stand in the same file.
    let begin = pem.find("-----BEGIN CERTIFICATE-----").ok_or_else(failed)?;
    let end = pem[begin..].find(END).ok_or_else(failed)? + begin + END.len();
    let certificate = Certificate::from_pem(&pem[begin..end]).map_err(|error| failed().because(error))?;
    let validity = certificate.tbs_certificate.validity;
    let timestamp = |time: x509_cert::time::Time| {
        let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(seconds).map_err(|error| failed().because(error))
    };
    Ok(Validity { begins: timestamp(validity.not_before)?, ends: timestamp(validity.not_after)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Valid from the beginning of 2026 to the beginning of 2031.
    const PEM: &str = include_str!("testdata/certificate.pem");

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn site() -> (tempfile::TempDir, SitePaths) {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        fs_err::create_dir_all(paths.kubernetes().join("pki/etcd")).unwrap();
        (folder, paths)
    }

    #[test]
    fn due_at_two_thirds_of_its_life() {
        let validity = validity(&format!("some key\n{PEM}\nmore"), Path::new("x.crt")).unwrap();
        assert_eq!((validity.begins, validity.ends), (at("2026-01-01T00:00:00Z"), at("2031-01-01T00:00:00Z")));
        assert!(!validity.is_due(at("2029-04-30T00:00:00Z")));
        assert!(validity.is_due(at("2029-05-03T00:00:00Z")));
        assert!(super::validity("no certificate", Path::new("x.crt")).is_err());
    }

    #[test]
    fn certificates_of_authorities_are_left_alone_and_kubeconfigs_are_seen() {
        let (_folder, paths) = site();
        let write = |name: &str, text: &str| {
            durable::write_file(&paths.kubernetes().join(name), text.as_bytes(), 0o600).unwrap();
        };
        for name in ["pki/ca.crt", "pki/front-proxy-ca.crt", "pki/etcd/ca.crt", "pki/apiserver.key"] {
            write(name, "not to be read");
        }
        assert_eq!(control_plane(&paths).unwrap(), []);
        write("pki/apiserver.crt", PEM);
        write("pki/etcd/server.crt", PEM);
        write("admin.conf", &format!("users:\n- user:\n    client-certificate-data: {}\n", STANDARD.encode(PEM)));
        assert_eq!(control_plane(&paths).unwrap().len(), 3);
        // Not due: no program is run, which would fail here.
        renew(&paths, "v1.36.3", at("2027-01-01T00:00:00Z")).unwrap();
        let error = renew(&paths, "v1.36.3", at("2030-01-01T00:00:00Z")).unwrap_err().to_string();
        assert!(error.contains("kubeadm certs renew all"), "{error}");
    }
}
