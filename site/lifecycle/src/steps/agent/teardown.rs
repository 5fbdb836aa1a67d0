//! Takes back what ran: pods, runtime, mounts, network, control groups and the traces that foreign programs leave in
//! places of their own. Everything may run again, and copes with all, half or nothing being there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_error_codes::codes;
use landfall_media::durable;
use rustix::mount::{UnmountFlags, unmount};
use serde::{Deserialize, Serialize};

use crate::site::Site;
use crate::steps::agent::traces;
use landfall_agent::bridge::BRIDGE;
use landfall_agent::supervisor;
use landfall_engine::step::StepError;
use landfall_host::command::HostCommand;
use landfall_host::mounts::Part;
use landfall_host::paths::SitePaths;
use landfall_host::process::ProcessId;
use landfall_host::{files, mounts, netlink, process};

/// Devices of flannel and the bridge.
const DEVICES: [&str; 2] = [BRIDGE, "flannel.1"];
/// Tables of kube-proxy, flannel and the kubelet.
const TABLES: [&str; 4] = ["kube-proxy", "flannel-ipv4", "flannel-ipv6", "cni_hostport"];
/// How long programs get to end by themselves.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for pods with volumes that are kept: a database that ends by itself needs no recovery later.
const PATIENCE_WITH_DATA: Duration = Duration::from_mins(2);
/// How many processes an error names.
const NAMED: usize = 10;

/// What was there before anything ran, and stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Before {
    /// Places where foreign programs leave something of their own.
    traces: Vec<String>,
    /// Names of network devices and packet-filter tables.
    network: Vec<String>,
}

/// Looks at what is there before anything runs.
pub fn before(paths: &SitePaths) -> Result<Before, StepError> {
    let mut network: Vec<String> =
        netlink::interfaces().map_err(|error| network_failed("read", error))?.into_iter().map(|one| one.name).collect();
    network.extend(netlink::tables().map_err(|error| network_failed("read", error))?.into_iter().map(|one| one.name));
    Ok(Before { traces: traces::present(paths), network })
}

/// Stops the kubelet and everything that runs in pods. containerd stays.
pub fn stop_pods(site: &Site) -> Result<(), StepError> {
    let kubelet: Vec<_> = supervisor::running(&site.paths, "kubelet").into_iter().collect();
    let mut left = process::end(&kubelet, PATIENCE);
    if site.keep_data {
        // What is left of them is found again below.
        let _ = process::end(&process::find(has_volume(&site.paths)?), PATIENCE_WITH_DATA);
    }
    left.extend(process::end(&process::find(is_in_pod), PATIENCE));
    expect_none("kubelet and pods", &left)
}

/// Stops containerd, its shims and whatever else runs from the node pack.
pub fn stop_runtime(paths: &SitePaths) -> Result<(), StepError> {
    let containerd: Vec<_> = supervisor::running(paths, "containerd").into_iter().collect();
    let mut left = process::end(&containerd, PATIENCE);
    let folder = paths.node();
    let others = process::find(|pid| {
        fs_err::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program.starts_with(&folder))
    });
    left.extend(process::end(&others, Duration::from_secs(2)));
    expect_none("the node pack", &left)
}

fn expect_none(whose: &str, left: &[ProcessId]) -> Result<(), StepError> {
    // One that has ended meanwhile is not described.
    let described = process::describe(left);
    if described.is_empty() {
        return Ok(());
    }
    let named = described.get(..NAMED).unwrap_or(&described).join(", ");
    let what = format!("{} processes of {whose} do not end: {named}", described.len());
    Err(StepError::new(codes::NODE_CLEANUP, what))
}

fn is_in_pod(pid: i32) -> bool {
    fs_err::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|groups| groups.contains("/kubepods"))
}

/// Tells processes of pods that see a volume of the site.
fn has_volume(paths: &SitePaths) -> Result<impl Fn(i32) -> bool + use<>, StepError> {
    let storage = fs_err::canonicalize(paths.storage()).ok();
    let volumes = match storage {
        Some(storage) => Part::at(&storage, &mounts::own()?),
        None => None,
    };
    Ok(move |pid| {
        let Some(volumes) = &volumes else { return false };
        // A process that has ended sees nothing.
        is_in_pod(pid) && mounts::of(pid).is_ok_and(|seen| seen.iter().any(|mount| mount.shown.is_within(volumes)))
    })
}

/// Unmounts everything below our folders and those of pods' network namespaces.
pub fn unmount_all(paths: &SitePaths) -> Result<(), StepError> {
    let ours: Vec<PathBuf> =
        [paths.run(), paths.containerd(), paths.kubelet_mount(), paths.pod_logs_mount(), paths.kubelet()]
            .into_iter()
            // Not /run/containerd: nothing of ours is mounted there, but the roots of another runtime's containers are.
            .chain([paths.host("/run/netns"), paths.host("/var/run/netns")])
            .collect();
    // What was mounted last must go first.
    for mount in mounts::own()?.iter().rev() {
        let point = mount.point.as_path();
        let is_foreign_namespace = point.starts_with(paths.host("/run/netns")) && !is_pod_namespace(point);
        if !ours.iter().any(|folder| point.starts_with(folder)) || is_foreign_namespace {
            continue;
        }
        if unmount(point, UnmountFlags::NOFOLLOW).is_err() {
            // Something still has it open: detached, it goes with the last of them.
            let detached = unmount(point, UnmountFlags::DETACH);
            // What is shared goes with its peer, and is gone when its own turn comes.
            if let Err(errno) = detached
                && mounts::is_mounted(point)?
            {
                return Err(files::failed("unmount", point, errno.into()));
            }
        }
    }
    remove_pod_namespaces(paths)
}

fn is_pod_namespace(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"cni-"))
}

fn remove_pod_namespaces(paths: &SitePaths) -> Result<(), StepError> {
    let Ok(entries) = fs_err::read_dir(paths.host("/run/netns")) else { return Ok(()) };
    for entry in entries.flatten().filter(|entry| is_pod_namespace(&entry.path())) {
        durable::remove_file(&entry.path())?;
    }
    Ok(())
}

/// Removes devices and packet-filter tables that were not there before.
pub fn remove_network(before: &Before) -> Result<(), StepError> {
    let is_new = |name: &str| !before.network.iter().any(|known| known == name);
    for device in DEVICES.into_iter().filter(|device| is_new(device)) {
        netlink::delete_interface(device).map_err(|error| network_failed("delete a device of", error))?;
    }
    for table in netlink::tables().map_err(|error| network_failed("read", error))? {
        if TABLES.contains(&table.name.as_str()) && is_new(&table.name) {
            netlink::delete_table(&table).map_err(|error| network_failed("delete a packet-filter table of", error))?;
        }
    }
    Ok(())
}

fn network_failed(operation: &str, error: std::io::Error) -> StepError {
    StepError::new(codes::NODE_NETWORK, format!("cannot {operation} the host's network configuration")).because(error)
}

/// Removes control groups of pods; all of their processes must have ended.
pub fn remove_groups(site: &Site) -> Result<(), StepError> {
    if site.paths.host("/run/systemd/system").is_dir() {
        // Unknown to systemd where the kubelet makes groups itself.
        let _ = site.run(&HostCommand::new("/bin/systemctl").arguments(["stop", "kubepods.slice"]));
    }
    let root = site.paths.host("/sys/fs/cgroup");
    let hierarchies = fs_err::read_dir(&root).into_iter().flatten().flatten().map(|entry| entry.path());
    for parent in hierarchies.filter(|path| path.is_dir()).chain([root.clone()]) {
        for name in ["kubepods", "kubepods.slice"] {
            remove_group(&parent.join(name))?;
        }
    }
    Ok(())
}

/// Removes a group with all below it. Its files are the kernel's: only folders can and must be removed.
fn remove_group(group: &Path) -> Result<(), StepError> {
    let Ok(entries) = fs_err::read_dir(group) else { return Ok(()) };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_group(&entry.path())?;
    }
    match fs_err::remove_dir(group) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StepError::new(codes::NODE_CLEANUP, format!("the control group {} is in use", group.display()))
                .because(error))
        }
        _ => Ok(()),
    }
}

/// Removes what foreign programs left in places of their own, where nothing was before.
pub fn remove_traces(paths: &SitePaths, before: &Before) -> Result<(), StepError> {
    traces::remove(paths, &before.traces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_do_not_end_are_named() {
        let mut child = std::process::Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let process = ProcessId::of(i32::try_from(child.id()).unwrap()).unwrap();
        let error = expect_none("the node pack", &[process]).unwrap_err().to_string();
        let named = format!("1 processes of the node pack do not end: {} (sleep, state ", child.id());
        assert!(error.starts_with(&named), "{error}");
        process::end(&[process], Duration::ZERO);
        child.wait().unwrap();
        expect_none("the node pack", &[process]).unwrap();
        expect_none("the node pack", &[]).unwrap();
    }
}
