//! Renewal of the certificates of the control plane and the kubelet at two thirds of their life. They are reissued if
//! they expired while the machine was off, were damaged by a power cut, or began under a clock that was ahead.

use std::time::Duration;

use jiff::Timestamp;

use super::clock;
use super::control_plane_files;
use super::kubelet_files;
use super::programs::Programs;
use super::site_pods::SitePods;
use super::units;
use landfall_engine::step::StepError;
use landfall_host::command::{CommandRunner, Subprocesses};
use landfall_host::pack::PackId;
use landfall_host::paths::SitePaths;
use landfall_host::process;

/// Programs that must be restarted to read a renewed certificate.
const CONTROL_PLANE: [&str; 4] = ["kube-apiserver", "kube-controller", "kube-scheduler", "etcd"];

/// Renews due certificates, if the clock is plausible. A control plane that does not exist yet has nothing to renew.
pub fn renew(paths: &SitePaths, pack: &PackId, now: Timestamp) -> Result<(), StepError> {
    if let Some(error) = clock::clock_plausibility(paths, now).error(now, paths) {
        return Err(error);
    }
    clock::witness(paths, now)?;
    if !control_plane_files::is_installed(paths) {
        return Ok(());
    }
    let programs = Programs::of(paths, pack);
    // The processes to restart are determined before anything is renewed: a completed renewal is not examined again.
    let control_plane = SitePods::of(paths).and_then(|pods| {
        if control_plane_files::renew_control_plane(paths, &programs, now)? {
            restart_control_plane(&pods);
        }
        Ok(())
    });
    // The kubelet's preparation does the work. Its certificates are maintained even if the control plane's cannot be.
    if kubelet_files::needs_repair(paths, now)? {
        let restart = units::systemctl(&["try-restart", "--no-block", units::KUBELET]);
        restart.check_output(Subprocesses.run(&restart, None))?;
    }
    control_plane
}

/// Restarts the control plane: the kubelet starts the containers again, which then read the new files. The host may
/// also run the control plane of another cluster, for example in containers; that one is left alone.
fn restart_control_plane(pods: &SitePods) {
    let found = process::find(|pid| {
        let name = fs_err::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        CONTROL_PLANE.contains(&name.trim()) && pods.has(pid)
    });
    process::end(&found, Duration::from_secs(30));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control_plane_files::tests::Host;
    use crate::validity::tests::{PEM, at};
    use landfall_host::pack;

    #[test]
    fn implausible_clock_prevents_renewal() {
        let host = Host::new();
        host.write("manifests/kube-apiserver.yaml", "whole");
        host.write("pki/ca.crt", PEM);
        // If nothing is due, no program is run, which would fail here. The witnessed time is stored with this machine's
        // time.
        let renewed = |now: &str| renew(&host.paths, &pack::sample(), at(now)).map_err(|error| error.to_string());
        let before = renewed("2025-01-01T00:00:00Z").unwrap_err();
        assert!(before.contains("was installed after 2026-01-01"), "{before}");
        let after = renewed("2036-01-01T00:00:00Z").unwrap_err();
        assert!(after.contains("is not believed later than 2030-12-31"), "{after}");
        assert!(!host.paths.clock().exists(), "it is not witnessed");
    }
}
