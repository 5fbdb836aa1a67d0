//! The kubelet's own certificates. The kubelet writes them without a sync. It exits if one is empty, if half a pair is
//! missing, or if its client certificate has expired. It never renews its serving certificate, which it signs itself.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use landfall_media::durable;

use super::control_plane_files::check_authorities;
use super::programs::Programs;
use super::renewal;
use super::renewal::Renewal;
use super::validity::{CertificateState, HeldCertificate, Need};
use landfall_engine::step::StepError;
use landfall_host::files;
use landfall_host::paths::SitePaths;

/// The kubelet's serving pair.
const PAIR: [&str; 2] = ["kubelet.crt", "kubelet.key"];
/// Link to the kubelet's client certificate for the API server.
const CLIENT: &str = "kubelet-client-current.pem";

/// Content of the kubelet's kubeconfig.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kubeconfig {
    /// The path of [`CLIENT`].
    Names,
    /// An embedded certificate, or its absence.
    Holds(CertificateState),
}

impl Kubeconfig {
    fn read(file: &Path) -> Result<Self, StepError> {
        let text = files::read(file)?;
        let names = text.as_ref().is_some_and(|text| String::from_utf8_lossy(text).contains(CLIENT));
        Ok(if names { Self::Names } else { Self::Holds(CertificateState::in_kubeconfig(text.as_deref())) })
    }
}

/// Required repair of the client certificate before the kubelet starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repair {
    /// No repair.
    Keep,
    /// Remove the newest one: the one in the kubeconfig is good.
    Drop,
    /// Reissue it.
    Reissue(Need),
}

/// Decides the repair before a start of the kubelet. A certificate in the kubeconfig takes precedence over a newer
/// separate one: the kubelet reads it first, and exits if it is unusable.
fn repair(kubeconfig: Kubeconfig, current: CertificateState, now: Timestamp) -> Repair {
    match kubeconfig {
        Kubeconfig::Names => current.unusable(now).map_or(Repair::Keep, Repair::Reissue),
        Kubeconfig::Holds(held) => match (held.unusable(now), current) {
            (Some(need), _) => Repair::Reissue(need),
            (None, CertificateState::Missing) => Repair::Keep,
            (None, current) => current.unusable(now).map_or(Repair::Keep, |_| Repair::Drop),
        },
    }
}

fn folder(paths: &SitePaths) -> PathBuf {
    paths.kubelet_mount().join("pki")
}

fn kubeconfig(paths: &SitePaths) -> PathBuf {
    paths.kubernetes().join("kubelet.conf")
}

fn client(paths: &SitePaths, now: Timestamp) -> Result<Repair, StepError> {
    let current = files::read(&folder(paths).join(CLIENT))?;
    Ok(repair(Kubeconfig::read(&kubeconfig(paths))?, CertificateState::in_pem(current.as_deref()), now))
}

/// Returns the kubelet's certificates: its client certificate for the API server, and its serving certificate if it has
/// already created one.
pub(crate) fn held_certificates(paths: &SitePaths) -> Result<Vec<HeldCertificate>, StepError> {
    let (kubeconfig, current) = (kubeconfig(paths), folder(paths).join(CLIENT));
    let client = match Kubeconfig::read(&kubeconfig)? {
        Kubeconfig::Names => {
            HeldCertificate { found: CertificateState::in_pem(files::read(&current)?.as_deref()), file: current }
        }
        Kubeconfig::Holds(found) => HeldCertificate { found, file: kubeconfig },
    };
    let file = folder(paths).join(PAIR[0]);
    let serving = files::read(&file)?.map(|pem| HeldCertificate { found: CertificateState::in_pem(Some(&pem)), file });
    Ok([client].into_iter().chain(serving).collect())
}

/// Returns the reason to remove the kubelet's serving pair; `None` if it is usable or never existed.
fn serving(paths: &SitePaths, now: Timestamp) -> Result<Option<Need>, StepError> {
    let [certificate, key] = PAIR.map(|name| files::read(&folder(paths).join(name)));
    let (certificate, key) = (certificate?, key?);
    if certificate.is_none() && key.is_none() {
        return Ok(None);
    }
    let has_key = key.is_some_and(|key| !key.is_empty());
    Ok(CertificateState::in_pem(certificate.as_deref()).due(now).or((!has_key).then_some(Need::Unreadable)))
}

/// Returns true if [`prepare`] would change something.
pub fn needs_repair(paths: &SitePaths, now: Timestamp) -> Result<bool, StepError> {
    Ok(serving(paths, now)?.is_some() || client(paths, now)? != Repair::Keep)
}

/// Repairs whatever would keep the kubelet from starting. The kubelet must not be running, and the clock must be
/// plausible.
pub fn prepare(paths: &SitePaths, programs: &Programs, now: Timestamp) -> Result<(), StepError> {
    if let Some(need) = serving(paths, now)? {
        tracing::warn!("the kubelet's serving certificate {need}: it will make a new one");
        for name in PAIR {
            durable::remove_file(&folder(paths).join(name))?;
        }
    }
    match client(paths, now)? {
        Repair::Keep => Ok(()),
        Repair::Drop => remove_client(paths),
        Repair::Reissue(need) => reissue_client(paths, programs, need),
    }
}

/// Reissues the kubelet's client certificate: an expired or lost one cannot renew itself, because the cluster no longer
/// accepts it. The kubelet must not be running.
fn reissue_client(paths: &SitePaths, programs: &Programs, need: Need) -> Result<(), StepError> {
    tracing::warn!("issuing the kubelet's client certificate again: it {need}");
    let _lock = renewal::lock(paths)?;
    renewal::finish(paths)?;
    check_authorities(paths)?;
    let renewal = Renewal::begin(paths, programs)?;
    renewal.kubeadm(&["init", "phase", "kubeconfig", "kubelet"])?;
    renewal.commit()?;
    // The new certificate is in the kubeconfig itself.
    remove_client(paths)
}

/// Removes the newest client certificate and the link to it.
fn remove_client(paths: &SitePaths) -> Result<(), StepError> {
    let link = folder(paths).join(CLIENT);
    if let Ok(target) = fs_err::read_link(&link) {
        durable::remove_file(&folder(paths).join(target.file_name().unwrap_or_default()))?;
    }
    Ok(durable::remove_file(&link)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validity::tests::{PEM, at, kubeconfig};
    use landfall_host::pack;

    const NOW: &str = "2027-01-01T00:00:00Z";
    const LATER: &str = "2032-01-01T00:00:00Z";

    fn names(folder: &std::path::Path) -> Vec<String> {
        let entries = fs_err::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn client_certificate_repairs_are_decided() {
        let whole = CertificateState::in_pem(Some(PEM.as_bytes()));
        let (missing, torn) = (CertificateState::Missing, CertificateState::Unreadable);
        let holds = Kubeconfig::Holds;
        for (kubeconfig, current, now, expected) in [
            (Kubeconfig::Names, whole, NOW, Repair::Keep),
            (Kubeconfig::Names, missing, NOW, Repair::Reissue(Need::Missing)),
            (Kubeconfig::Names, torn, NOW, Repair::Reissue(Need::Unreadable)),
            (Kubeconfig::Names, whole, LATER, Repair::Reissue(Need::Ended)),
            (Kubeconfig::Names, whole, "2025-01-01T00:00:00Z", Repair::Reissue(Need::NotYetValid)),
            (holds(whole), missing, NOW, Repair::Keep),
            (holds(whole), whole, NOW, Repair::Keep),
            (holds(whole), torn, NOW, Repair::Drop),
            (holds(torn), whole, NOW, Repair::Reissue(Need::Unreadable)),
            (holds(missing), missing, NOW, Repair::Reissue(Need::Missing)),
            (holds(whole), whole, LATER, Repair::Reissue(Need::Ended)),
        ] {
            assert_eq!(repair(kubeconfig, current, at(now)), expected, "{kubeconfig:?} {current:?} {now}");
        }
    }

    #[test]
    fn torn_or_ending_pair_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let programs = Programs::of(&paths, &pack::sample());
        let folder = folder(&paths);
        let write = |path: &std::path::Path, text: &str| {
            durable::create_folder(path.parent().unwrap()).unwrap();
            durable::write_file(path, text.as_bytes(), 0o600).unwrap();
        };
        write(&paths.kubernetes().join("kubelet.conf"), &kubeconfig());
        let prepare = |now: &str, needs: bool| {
            assert_eq!(needs_repair(&paths, at(now)).unwrap(), needs);
            super::prepare(&paths, &programs, at(now)).unwrap();
            assert!(!needs_repair(&paths, at(now)).unwrap());
        };
        prepare(NOW, false);
        write(&folder.join("kubelet.crt"), PEM);
        write(&folder.join("kubelet.key"), "key");
        prepare(NOW, false);
        assert_eq!(names(&folder), ["kubelet.crt", "kubelet.key"]);
        // The kubelet's own certificate is valid for a year; this one ends in 2031.
        prepare("2029-06-01T00:00:00Z", true);
        assert!(names(&folder).is_empty());
        write(&folder.join("kubelet.crt"), PEM);
        prepare(NOW, true);
        assert!(names(&folder).is_empty(), "half a pair");

        // A torn client certificate next to a good one is removed with its target.
        write(&folder.join("kubelet-client-1.pem"), "");
        std::os::unix::fs::symlink(folder.join("kubelet-client-1.pem"), folder.join(CLIENT)).unwrap();
        prepare(NOW, true);
        assert!(names(&folder).is_empty());
    }
}
