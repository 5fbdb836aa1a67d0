//! The agent's life: set the host right, keep containerd and kubelet running, look after what changes slowly.
//!
//! It ends by any signal that ends a process, and leaves containerd and kubelet running: the next agent adopts them.

use std::time::{Duration, Instant};

use landfall_bundle_spec::{Coded, codes};

use super::programs::Programs;
use super::settings::AgentSettings;
use super::supervisor::Service;
use super::{boot, bridge, certificates, kubelet_files, logs, notify};
use crate::netlink;
use crate::site::{CommandRunner, HostCommand, SitePaths, Subprocesses};
use crate::step::StepError;
use crate::steps::files;

const TICK: Duration = Duration::from_millis(250);
/// Ticks between two looks at logs and routes: ten seconds.
const SLOW_TICKS: u64 = 40;
/// Ticks between two looks at certificates: an hour.
const HOURLY_TICKS: u64 = 14_400;

/// Runs the agent; returns only with an error.
pub fn run(paths: &SitePaths) -> Result<(), StepError> {
    boot::check_identity(paths)?;
    let settings = AgentSettings::read(paths)?;
    let programs = Programs::at(paths, &settings.kubernetes);
    boot::bind(paths)?;
    let mut containerd = Service::adopt("containerd", paths);
    let mut kubelet = Service::adopt("kubelet", paths);
    let mut ready = false;
    for tick in 0u64.. {
        let now = Instant::now();
        if tick % SLOW_TICKS == 0 {
            look_after(paths, &settings, tick % HOURLY_TICKS == 0)?;
        }
        unless_fatal(bridge::keep(paths), "the bridge network's configuration cannot be written")?;
        containerd.tend(now, true, || Ok(containerd_command(paths, &programs)))?;
        if !ready && answers(&programs) {
            ready = true;
            notify::notify("READY=1\nSTATUS=containerd runs");
        }
        let wanted = ready && is_kubelet_configured(paths) && has_address(&settings);
        kubelet.tend(now, wanted, || kubelet_command(paths, &programs))?;
        std::thread::sleep(TICK);
    }
    Ok(())
}

fn look_after(paths: &SitePaths, settings: &AgentSettings, hourly: bool) -> Result<(), StepError> {
    boot::restore_routes(settings);
    for program in ["containerd", "kubelet"] {
        unless_fatal(logs::rotate(paths, program), "a log cannot be cut")?;
    }
    if hourly {
        let renewed = certificates::renew(paths, &settings.kubernetes, jiff::Timestamp::now());
        unless_fatal(renewed, "certificates cannot be renewed")?;
    }
    Ok(())
}

/// Warns of an error and lives on, since the next look may be luckier. Not so after a failed sync: the kernel may have
/// dropped the data and would report success next time, so the agent ends, and systemd starts one that reads the disk.
fn unless_fatal<T>(outcome: Result<T, StepError>, what: &str) -> Result<(), StepError> {
    match outcome {
        Err(error) if error.code() == codes::SYNC_FAILED => Err(error),
        Err(error) => {
            tracing::warn!(%error, "{what}");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

fn containerd_command(paths: &SitePaths, programs: &Programs) -> HostCommand {
    // It finds its shim by PATH.
    programs.with_path("containerd").argument("--config").argument(paths.runtime_configuration())
}

fn kubelet_command(paths: &SitePaths, programs: &Programs) -> Result<HostCommand, StepError> {
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

/// kubeadm has written all that the kubelet needs; without it the kubelet would only exit again.
fn is_kubelet_configured(paths: &SitePaths) -> bool {
    paths.kubelet_mount().join("config.yaml").exists() && paths.kubelet_mount().join("kubeadm-flags.env").exists()
}

/// Whether the node's address is up: etcd binds to it, and would be restarted with growing pauses otherwise.
fn has_address(settings: &AgentSettings) -> bool {
    netlink::addresses().is_ok_and(|addresses| addresses.iter().any(|address| address.address == settings.node.address))
}

fn answers(programs: &Programs) -> bool {
    let ask = programs.ctr(&["--connect-timeout", "1s", "version"]);
    Subprocesses.run(&ask, None).is_ok_and(|output| output.success)
}

#[cfg(test)]
mod tests {
    use landfall_media::durable::{DurableError, SyncFailed};

    use super::*;

    #[test]
    fn a_failed_sync_ends_the_agent_and_nothing_else_does() {
        let sync = SyncFailed { path: "/etc/cni".into(), source: std::io::Error::from_raw_os_error(5) };
        let ended = unless_fatal::<()>(Err(DurableError::from(sync).into()), "it cannot be written");
        assert_eq!(ended.unwrap_err().code(), codes::SYNC_FAILED);
        unless_fatal::<()>(Err(StepError::new(codes::NO_SPACE, "no space")), "it cannot be written").unwrap();
        unless_fatal(Ok(true), "it cannot be written").unwrap();
    }

    #[test]
    fn flags_of_kubeadm() {
        let text = "# x\nKUBELET_KUBEADM_ARGS=\"--node-ip=10.0.0.1 --container-runtime-endpoint=unix:///a\"\n";
        assert_eq!(kubeadm_flags(text), ["--node-ip=10.0.0.1", "--container-runtime-endpoint=unix:///a"]);
        assert!(kubeadm_flags("").is_empty());
    }
}
