//! The kubelet: its prerequisites, and its state.

use std::net::IpAddr;

use super::settings::AgentSettings;
use super::units::UnitState;
use landfall_host::netlink;
use landfall_host::paths::SitePaths;

/// Missing prerequisite of the kubelet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// The runtime is not up.
    #[error("containerd does not answer yet")]
    Runtime,
    /// kubeadm has not written all the files that the kubelet needs; without them it would exit immediately.
    #[error("kubeadm has not configured it yet")]
    Configuration,
    /// The node's address is down: etcd binds to it, and would be restarted with growing delays.
    #[error("{0} is on no interface")]
    Address(IpAddr),
    /// The addresses cannot be read.
    #[error("the host's addresses cannot be read: {0}")]
    Addresses(String),
}

/// Returns the first missing prerequisite of the kubelet, if any.
pub fn lacks(paths: &SitePaths, settings: &AgentSettings, runtime_answers: bool) -> Option<Lack> {
    if !runtime_answers {
        return Some(Lack::Runtime);
    }
    let is_there = |name: &str| paths.kubelet_mount().join(name).exists();
    if !is_there("config.yaml") || !is_there("kubeadm-flags.env") {
        return Some(Lack::Configuration);
    }
    lacking_address(settings.node.address)
}

/// Returns why the node's address is not usable, if it is not.
pub fn lacking_address(wanted: IpAddr) -> Option<Lack> {
    match netlink::addresses() {
        Ok(found) if found.iter().any(|one| one.address == wanted) => None,
        Ok(_) => Some(Lack::Address(wanted)),
        Err(error) => Some(Lack::Addresses(error.to_string())),
    }
}

/// Returns the node's state on one line. `last_error` is called only if the kubelet does not run although nothing is
/// missing.
pub fn status_line(
    containerd: &UnitState,
    kubelet: &UnitState,
    lack: Option<&Lack>,
    last_error: impl FnOnce() -> Option<String>,
) -> String {
    if !containerd.is_active() {
        let said = if containerd.status.is_empty() { &containerd.active } else { &containerd.status };
        return format!("containerd does not run: {said}");
    }
    match (kubelet.is_active(), lack) {
        (true, None) => "containerd and the kubelet run".to_owned(),
        (true, Some(lack)) => format!("containerd and the kubelet run, but {lack}"),
        (false, Some(lack)) => format!("the kubelet waits: {lack}"),
        (false, None) => match last_error() {
            Some(error) => format!("the kubelet does not run ({}); its last error: {error}", kubelet.sub),
            None => format!("the kubelet does not run ({})", kubelet.sub),
        },
    }
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;
    use crate::settings::sample;

    fn unit(active: &str, sub: &str, status: &str) -> UnitState {
        UnitState { active: active.to_owned(), sub: sub.to_owned(), status: status.to_owned() }
    }

    #[test]
    fn waiting_reason_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        // The first address is on every lo; the second one is reserved for documentation and on no interface.
        let (here, nowhere) = (sample([127, 0, 0, 1].into()), sample([192, 0, 2, 17].into()));
        let (runs, waits) = (unit("active", "running", ""), unit("activating", "start-pre", ""));
        let lack = |settings, answers| lacks(&paths, settings, answers);
        let said = |kubelet, lack: Option<&Lack>| status_line(&runs, kubelet, lack, || panic!("the cause is known"));
        let waiting = |lack: Option<Lack>| said(&waits, lack.as_ref());
        assert_eq!(waiting(lack(&here, false)), "the kubelet waits: containerd does not answer yet");
        assert_eq!(waiting(lack(&here, true)), "the kubelet waits: kubeadm has not configured it yet");
        durable::create_folder(&paths.kubelet_mount()).unwrap();
        for name in ["config.yaml", "kubeadm-flags.env"] {
            durable::write_file(&paths.kubelet_mount().join(name), b"", 0o644).unwrap();
        }
        assert_eq!(lack(&here, true), None);
        assert_eq!(waiting(lack(&nowhere, true)), "the kubelet waits: 192.0.2.17 is on no interface");
        let lost = said(&runs, lack(&nowhere, true).as_ref());
        assert_eq!(lost, "containerd and the kubelet run, but 192.0.2.17 is on no interface");
        assert_eq!(said(&runs, None), "containerd and the kubelet run");
    }

    #[test]
    fn crashing_kubelet_error_is_quoted() {
        let (runs, again) = (unit("active", "running", ""), unit("activating", "auto-restart", ""));
        let ends = |error: Option<&str>| status_line(&runs, &again, None, || error.map(str::to_owned));
        assert_eq!(ends(Some("swap")), "the kubelet does not run (auto-restart); its last error: swap");
        assert_eq!(ends(None), "the kubelet does not run (auto-restart)");
        let foreign = unit("activating", "start-pre", "site.uuid is missing: its disk is not mounted");
        let said = status_line(&foreign, &again, None, || None);
        assert_eq!(said, "containerd does not run: site.uuid is missing: its disk is not mounted");
    }
}
