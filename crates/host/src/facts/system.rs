//! Readings of the running system through `sysinfo`: memory, processor, programs, disks and interfaces (ADR 115).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::PathBuf;

use sysinfo::{
    CpuRefreshKind, DiskKind, DiskRefreshKind, Disks, MemoryRefreshKind, Networks, ProcessRefreshKind,
    ProcessesToUpdate, RefreshKind,
};

/// A reading of the system that this program runs on. Facts under a simulated root use a reading from the test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct System {
    /// Bytes of memory.
    pub(super) memory_bytes: u64,
    /// Bytes of active swap.
    pub(super) swap_bytes: u64,
    /// Model of the first processor; empty if the kernel names none.
    pub(super) processor: String,
    /// First 15 bytes of the name of each running program.
    pub(super) programs: BTreeSet<String>,
    /// True for each mount point whose disk rotates, for disks that report it.
    pub(super) rotating: BTreeMap<PathBuf, bool>,
}

impl System {
    /// Reads the system. Parts that the kernel hides are empty, as on a host without `/proc`. Changes nothing.
    pub(super) fn read() -> Self {
        let wanted =
            RefreshKind::nothing().with_memory(MemoryRefreshKind::everything()).with_cpu(CpuRefreshKind::nothing());
        let Ok(mut system) = sysinfo::System::new_with_specifics(wanted) else { return Self::default() };
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing().without_tasks());
        Self {
            memory_bytes: system.total_memory(),
            swap_bytes: system.total_swap(),
            processor: system.cpus().first().map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default(),
            programs: system.processes().values().map(|process| text(process.name())).collect(),
            rotating: rotating(),
        }
    }

    /// Returns which of these programs run, by the first 15 bytes of their names, in order.
    pub(super) fn running(&self, programs: &[&str]) -> Vec<String> {
        self.programs.iter().filter(|name| programs.contains(&name.as_str())).cloned().collect()
    }
}

/// Memory of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Total bytes.
    pub total_bytes: u64,
    /// Bytes available to programs without swapping, by the kernel's estimate.
    pub available_bytes: u64,
}

impl Memory {
    /// Reads the memory; `None` if the kernel hides it.
    pub fn read() -> Option<Self> {
        let wanted = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = sysinfo::System::new_with_specifics(wanted).ok()?;
        let (total_bytes, available_bytes) = (system.total_memory(), system.available_memory());
        (total_bytes > 0).then_some(Self { total_bytes, available_bytes })
    }
}

/// Returns the MTU of each interface in bytes.
pub(super) fn packet_bytes() -> BTreeMap<String, u32> {
    let Ok(networks) = Networks::new_with_refreshed_list() else { return BTreeMap::new() };
    let mtu = |bytes: u64| u32::try_from(bytes).ok().filter(|bytes| *bytes > 0);
    networks.iter().filter_map(|(name, network)| Some((text(name), mtu(network.mtu())?))).collect()
}

/// Reads only the kind of each disk. Reading sizes would query every mount, and a hung filesystem would hang the
/// reading.
fn rotating() -> BTreeMap<PathBuf, bool> {
    let Ok(disks) = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing().with_kind()) else {
        return BTreeMap::new();
    };
    let rotates = |kind| match kind {
        DiskKind::HDD => Some(true),
        DiskKind::SSD => Some(false),
        DiskKind::Unknown(_) => None,
    };
    disks.iter().filter_map(|disk| Some((disk.mount_point().to_owned(), rotates(disk.kind())?))).collect()
}

fn text(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_match_the_kernels_files() {
        let system = System::read();
        let memory = fs_err::read_to_string("/proc/meminfo").unwrap();
        assert!(memory.contains(&format!("{} kB", system.memory_bytes / 1024)), "{}", system.memory_bytes);
        let own = fs_err::read_to_string("/proc/self/comm").unwrap();
        assert!(system.programs.contains(own.trim()), "{:?}", system.programs);
        let loopback = fs_err::read_to_string("/sys/class/net/lo/mtu").unwrap();
        assert_eq!(packet_bytes()["lo"].to_string(), loopback.trim());
    }

    #[test]
    fn running_programs_are_sorted() {
        let programs = ["kubelet", "bash", "etcd"].map(str::to_owned).into();
        let system = System { programs, ..System::default() };
        assert_eq!(system.running(&["kubelet", "k3s", "etcd"]), ["etcd", "kubelet"]);
    }
}
