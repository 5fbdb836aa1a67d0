//! Undoes everything that ran: pods, runtime, mounts, network, control groups and traces that other programs leave in
//! their own places. All of it can be repeated, however much is left.

use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_error_codes::codes;
use landfall_media::durable;
use rustix::mount::{UnmountFlags, unmount};
use serde::{Deserialize, Serialize};

use crate::context::NodeContext;
use crate::steps::agent::{traces, unit_files};
use landfall_agent::bridge::BRIDGE;
use landfall_agent::site_pods::SitePods;
use landfall_agent::units::{CONTAINERD, KUBELET, systemctl};
use landfall_engine::step::StepError;
use landfall_host::mounts::Part;
use landfall_host::paths::SitePaths;
use landfall_host::process::ProcessId;
use landfall_host::{files, mounts, netlink, process};
use landfall_site::backups::drill::network as drill_network;

/// Function that deletes a network device by its name.
type Delete = fn(&str) -> std::io::Result<()>;
/// The bridges and flannel's device, with the function that deletes each.
const DEVICES: [(&str, Delete); 3] = [
    (BRIDGE, netlink::delete_bridge),
    (drill_network::BRIDGE, netlink::delete_bridge),
    ("flannel.1", netlink::delete_interface),
];
/// Tables of kube-proxy, flannel and the kubelet.
const TABLES: [&str; 4] = ["kube-proxy", "flannel-ipv4", "flannel-ipv6", "cni_hostport"];
/// Tables that the kubelet uses on hosts with iptables, for both address families.
pub(super) const IPTABLES: [&str; 3] = ["filter", "mangle", "nat"];
const IPTABLES_FAMILIES: [u8; 2] = [2, 10];
pub(super) const IPTABLES_CHAINS: [&str; 3] = ["KUBE-FIREWALL", "KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"];
/// Time that programs get to end after a signal.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longer time for pods with kept volumes: a database that ends cleanly needs no recovery later.
const PATIENCE_WITH_DATA: Duration = Duration::from_mins(2);
/// Maximum number of processes that an error names.
const NAMED: usize = 10;

/// Items that existed before anything ran, and therefore stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExistingItems {
    /// Places in which other programs leave files of their own.
    traces: Vec<String>,
    /// Names of network devices and packet-filter tables.
    network: Vec<String>,
    /// Packet-filter tables, as family number and name.
    tables: Vec<(u8, String)>,
}

/// Records the existing items before anything runs.
pub fn before(paths: &SitePaths) -> Result<ExistingItems, StepError> {
    let mut network: Vec<String> =
        netlink::interfaces().map_err(|error| network_failed("read", error))?.into_iter().map(|one| one.name).collect();
    let tables = netlink::tables().map_err(|error| network_failed("read", error))?;
    network.extend(tables.iter().map(|one| one.name.clone()));
    let tables = tables.into_iter().map(|one| (one.family, one.name)).collect();
    Ok(ExistingItems { traces: traces::present(paths), network, tables })
}

/// Stops the kubelet and everything that runs in pods. containerd stays.
pub fn stop_pods(context: &NodeContext) -> Result<(), StepError> {
    stop_service(context, KUBELET)?;
    if context.undo.keep_data {
        // The code below finds remaining processes again.
        let _ = process::end(&process::find(has_volume(&context.host.paths)?), PATIENCE_WITH_DATA);
    }
    let pods = SitePods::of(&context.host.paths)?;
    expect_none("pods", &process::end(&process::find(|pid| pods.has(pid)), PATIENCE))
}

/// Stops containerd, its shims and all other programs of the node pack.
pub fn stop_runtime(context: &NodeContext) -> Result<(), StepError> {
    stop_service(context, CONTAINERD)?;
    let folder = context.host.paths.node();
    let others = process::find(|pid| {
        fs_err::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program.starts_with(&folder))
    });
    expect_none("the node pack", &process::end(&others, Duration::from_secs(2)))
}

/// Stops one of Landfall's services, which its pods outlive. It starts again at boot. A unit without a file is skipped.
pub fn stop_service(context: &NodeContext, unit: &str) -> Result<(), StepError> {
    if unit_files::path(context, unit).exists() {
        context.host.run(&systemctl(&["stop", unit]))?;
    }
    Ok(())
}

fn expect_none(whose: &str, left: &[ProcessId]) -> Result<(), StepError> {
    // A process that has ended in the meantime is not described.
    let described = process::describe(left);
    if described.is_empty() {
        return Ok(());
    }
    let named = described.get(..NAMED).unwrap_or(&described).join(", ");
    let what = format!("{} processes of {whose} do not end: {named}", described.len());
    Err(StepError::new(codes::NODE_CLEANUP, what))
}

/// Returns a predicate for processes of pods that see a volume of the site.
fn has_volume(paths: &SitePaths) -> Result<impl Fn(i32) -> bool + use<>, StepError> {
    let pods = SitePods::of(paths)?;
    let storage = fs_err::canonicalize(paths.storage()).ok();
    let volumes = match storage {
        Some(storage) => Part::at(&storage, &mounts::own()?),
        None => None,
    };
    Ok(move |pid| {
        let Some(volumes) = &volumes else { return false };
        // A process that has ended sees no volume.
        pods.has(pid) && mounts::of(pid).is_ok_and(|seen| seen.iter().any(|mount| mount.shown.is_within(volumes)))
    })
}

/// Unmounts everything below Landfall's folders, and pods' network namespaces.
pub fn unmount_all(paths: &SitePaths) -> Result<(), StepError> {
    let own_folders: Vec<PathBuf> =
        [paths.run(), paths.containerd(), paths.kubelet_mount(), paths.pod_logs_mount(), paths.kubelet()]
            .into_iter()
            // `/run/containerd` is left out: Landfall mounts nothing there, but another runtime may have its
            // containers' roots there.
            .chain([paths.host("/run/netns"), paths.host("/var/run/netns")])
            .collect();
    // Later mounts may lie on earlier ones, so unmount in reverse order.
    for mount in mounts::own()?.iter().rev() {
        let point = mount.point.as_path();
        let is_foreign_namespace = point.starts_with(paths.host("/run/netns")) && !is_pod_namespace(point);
        if !own_folders.iter().any(|folder| point.starts_with(folder)) || is_foreign_namespace {
            continue;
        }
        if unmount(point, UnmountFlags::NOFOLLOW).is_err() {
            // A process still has it open. A detached mount disappears with its last user.
            let detached = unmount(point, UnmountFlags::DETACH);
            // A shared mount disappears with its peer, so it may already be gone.
            if let Err(errno) = detached
                && mounts::is_mounted(point)?
            {
                return Err(files::file_error("unmount", point, errno.into()));
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

/// Removes devices and packet-filter tables that did not exist before.
pub fn remove_network(before: &ExistingItems) -> Result<(), StepError> {
    let is_new = |name: &str| !before.network.iter().any(|known| known == name);
    for (device, delete) in DEVICES.into_iter().filter(|(device, _)| is_new(device)) {
        delete(device).map_err(|error| network_failed("delete a device of", error))?;
    }
    for table in netlink::tables().map_err(|error| network_failed("read", error))? {
        if TABLES.contains(&table.name.as_str()) && is_new(&table.name) {
            netlink::delete_table(&table).map_err(|error| network_failed("delete a packet-filter table of", error))?;
        } else if IPTABLES.contains(&table.name.as_str()) && IPTABLES_FAMILIES.contains(&table.family) {
            remove_chains(&table, before).map_err(|error| network_failed("delete the kubelet's chains of", error))?;
        }
    }
    Ok(())
}

/// Removes the kubelet's chains from an iptables table. Also removes the table if it is new and otherwise empty.
fn remove_chains(table: &netlink::Table, before: &ExistingItems) -> std::io::Result<()> {
    netlink::delete_chains(table, &IPTABLES_CHAINS)?;
    let is_new = !before.tables.iter().any(|(family, name)| (*family, name) == (table.family, &table.name));
    if is_new { netlink::delete_if_idle(table) } else { Ok(()) }
}

fn network_failed(operation: &str, error: std::io::Error) -> StepError {
    StepError::new(codes::NODE_NETWORK, format!("cannot {operation} the host's network configuration")).because(error)
}

/// Removes control groups of pods, all of whose processes must have ended.
pub fn remove_groups(context: &NodeContext) -> Result<(), StepError> {
    if context.host.paths.host("/run/systemd/system").is_dir() {
        // The slice is unknown to systemd if the kubelet creates the groups itself.
        let _ = context.host.run(&systemctl(&["stop", "kubepods.slice"]));
    }
    let root = context.host.paths.host("/sys/fs/cgroup");
    let hierarchies = fs_err::read_dir(&root).into_iter().flatten().flatten().map(|entry| entry.path());
    for parent in hierarchies.filter(|path| path.is_dir()).chain([root.clone()]) {
        for name in ["kubepods", "kubepods.slice"] {
            remove_group(&parent.join(name))?;
        }
    }
    Ok(())
}

/// Removes a group with all groups below it. Its files belong to the kernel, so only folders are removed.
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

/// Removes files that other programs left in places that did not exist before.
pub fn remove_traces(paths: &SitePaths, before: &ExistingItems) -> Result<(), StepError> {
    traces::remove(paths, &before.traces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasting_processes_are_named() {
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
