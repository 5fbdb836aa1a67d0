//! The kubelet: what it needs before it can be started, and how it is started.

use std::net::IpAddr;

use super::kubelet_files;
use super::programs::Programs;
use super::settings::AgentSettings;
use landfall_engine::step::StepError;
use landfall_host::command::HostCommand;
use landfall_host::paths::SitePaths;
use landfall_host::{files, netlink};

/// What the kubelet lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// The runtime is not up.
    #[error("containerd does not answer yet")]
    Runtime,
    /// kubeadm has not written all that the kubelet needs; without it the kubelet would only exit again.
    #[error("kubeadm has not configured it")]
    Configuration,
    /// The node's address is down: etcd binds to it, and would be restarted with growing pauses.
    #[error("{0} is on no interface")]
    Address(IpAddr),
    /// Nobody knows which addresses are up.
    #[error("the host's addresses cannot be read: {0}")]
    Addresses(String),
}

/// The first thing that the kubelet lacks, if any.
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

/// What the kubelet lacks of the node's address, if anything.
pub fn lacking_address(wanted: IpAddr) -> Option<Lack> {
    match netlink::addresses() {
        Ok(found) if found.iter().any(|one| one.address == wanted) => None,
        Ok(_) => Some(Lack::Address(wanted)),
        Err(error) => Some(Lack::Addresses(error.to_string())),
    }
}

/// How the node is, in one line.
pub fn standing(containerd_runs: bool, kubelet_runs: bool, lack: Option<&Lack>) -> String {
    match (containerd_runs, kubelet_runs, lack) {
        (false, ..) => "containerd is being started".to_owned(),
        (true, true, None) => "containerd and the kubelet run".to_owned(),
        (true, true, Some(lack)) => format!("containerd and the kubelet run, but {lack}"),
        (true, false, None) => "the kubelet is being started".to_owned(),
        (true, false, Some(lack)) => format!("the kubelet waits: {lack}"),
    }
}

/// The command that starts it, once what would stop it is out of the way.
pub fn command(paths: &SitePaths, programs: &Programs) -> Result<HostCommand, StepError> {
    kubelet_files::remove_torn(paths)?;
    let flags = files::read_text(&paths.kubelet_mount().join("kubeadm-flags.env"))?.unwrap_or_default();
    Ok(programs
        .with_path("kubelet")
        .arguments([
            "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
            "--kubeconfig=/etc/kubernetes/kubelet.conf",
            "--config=/var/lib/kubelet/config.yaml",
        ])
        .arguments(kubeadm_flags(&flags)))
}

/// Arguments from kubeadm's `KUBELET_KUBEADM_ARGS="--a=b --c=d"`.
fn kubeadm_flags(text: &str) -> Vec<String> {
    text.lines()
        .find_map(|line| line.strip_prefix("KUBELET_KUBEADM_ARGS="))
        .map(|value| value.trim().trim_matches('"').split_whitespace().map(str::to_owned).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;
    use crate::settings::sample;

    #[test]
    fn what_it_waits_for_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        // Everywhere on lo, and, being for documentation, nowhere at all.
        let (here, nowhere) = (sample([127, 0, 0, 1].into()), sample([192, 0, 2, 17].into()));
        let waits = |settings, answers| standing(true, false, lacks(&paths, settings, answers).as_ref());
        assert_eq!(waits(&here, false), "the kubelet waits: containerd does not answer yet");
        assert_eq!(waits(&here, true), "the kubelet waits: kubeadm has not configured it");
        durable::create_folder(&paths.kubelet_mount()).unwrap();
        for name in ["config.yaml", "kubeadm-flags.env"] {
            durable::write_file(&paths.kubelet_mount().join(name), b"", 0o644).unwrap();
        }
        assert_eq!(lacks(&paths, &here, true), None);
        assert_eq!(waits(&nowhere, true), "the kubelet waits: 192.0.2.17 is on no interface");
        let lost = standing(true, true, lacks(&paths, &nowhere, true).as_ref());
        assert_eq!(lost, "containerd and the kubelet run, but 192.0.2.17 is on no interface");
    }

    #[test]
    fn flags_of_kubeadm() {
        let text = "# x\nKUBELET_KUBEADM_ARGS=\"--node-ip=10.0.0.1 --container-runtime-endpoint=unix:///a\"\n";
        assert_eq!(kubeadm_flags(text), ["--node-ip=10.0.0.1", "--container-runtime-endpoint=unix:///a"]);
        assert!(kubeadm_flags("").is_empty());
    }
}
