//! Facts of a host, measured before anything is changed. They decide everything that differs from site to site, and the
//! plan is a pure function of them. They are serializable, so a vendor can plan a customer's site remotely. Facts that
//! decide nothing, such as the operating system and the packet filter's tables, are shown in a plan for its reader.

mod clock;
mod data_folder;
mod document;
mod filter;
mod firewall;
mod gpus;
pub mod host;
mod kernel;
mod kubernetes;
mod listeners;
mod machine;
mod mounted;
mod network;
mod probed_gpus;
#[cfg(any(test, feature = "testing"))]
pub mod sample;
mod speed;
mod system;
mod topic;

pub use document::{FactsError, KIND, SCHEMA};
pub use filter::closed_chains;
pub use network::{collect as collect_network, nameservers};
pub use probed_gpus::ProbedGpus;
pub use speed::Speeds;
pub use system::Memory;
pub use topic::Topic;

use std::collections::BTreeMap;
use std::net::IpAddr;

use landfall_gpu_facts::GpuReport;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::system::System;
use crate::paths::SitePaths;
use crate::step_times::{self, StepTimes};
use landfall_engine::step::StepError;

/// Facts of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, not a part of a state")]
pub struct Facts {
    /// Time of collection, RFC 3339.
    pub collected_at: String,
    /// Newest time that a site on this host has seen, or that a person has confirmed, RFC 3339.
    pub clock_seen: Option<String>,
    /// True if the collecting process ran as root; only root sees the packet filter.
    pub root: bool,
    /// Platform, such as `linux/amd64`.
    pub platform: String,
    /// Release of the kernel, such as `6.18.44`.
    pub kernel: String,
    /// `ID` and `VERSION_ID` of `/etc/os-release`, such as `debian 12`.
    pub operating_system: String,
    /// Hostname, in lower case.
    pub hostname: String,
    /// True if systemd is pid 1.
    pub systemd: bool,
    /// Control groups of the host.
    pub cgroups: Cgroups,
    /// True if processes may lower their OOM score (`CAP_SYS_RESOURCE`).
    pub lowers_oom_score: bool,
    /// Number of processor cores.
    pub cores: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Enabled swap in bytes.
    pub swap_bytes: u64,
    /// Filesystems that hold the relevant paths, each once.
    pub filesystems: Vec<Filesystem>,
    /// Location of the data folder.
    pub data_folder: DataFolder,
    /// Network of the host.
    pub network: Network,
    /// Kernel modules that Kubernetes needs and that are not built into the kernel: they must be loaded at every boot.
    pub modules: Vec<String>,
    /// Needed kernel modules that are not loaded now.
    pub missing_modules: Vec<String>,
    /// True if the kernel's modules are on the disk, including all missing ones.
    pub can_load_modules: bool,
    /// Current values of the kernel settings for which Kubernetes needs a minimum.
    pub limits: BTreeMap<String, u64>,
    /// Mode of SELinux, `enforcing` or `permissive`, if the kernel has it.
    pub selinux: Option<String>,
    /// Traces of another Kubernetes or container runtime: files, processes.
    pub leftovers: Vec<String>,
    /// GPU report of `landfall-gpu`, in that document's form; null in facts of schema 1.
    #[schemars(with = "Option<Value>")]
    pub gpus: Option<GpuReport>,
    /// Processor; null in facts of schema 2 and older.
    #[serde(default)]
    pub cpu: Option<Cpu>,
    /// Restrictions on programs and modules; null in facts of schema 2 and older.
    #[serde(default)]
    pub security: Option<Security>,
    /// Clock source of the kernel, such as `tsc`.
    #[serde(default)]
    pub clock_source: Option<String>,
    /// Program that synchronizes the clock, such as `chronyd`.
    #[serde(default)]
    pub time_program: Option<String>,
    /// Version of glibc, such as `2.36`; null if the host has another C library.
    #[serde(default)]
    pub glibc: Option<String>,
    /// Speeds of disk and processor; null if they were not measured.
    #[serde(default)]
    pub speeds: Option<Speeds>,
    /// Durations of the steps of the last install on this host, by their IDs.
    #[serde(default)]
    pub step_times: StepTimes,
    /// Options that Kubernetes needs and that the kernel was built without, such as `CONFIG_VXLAN`. They are null if
    /// the configuration of the kernel is not on the disk.
    #[serde(default)]
    pub missing_kernel_options: Option<Vec<String>>,
    /// Current values of further kernel settings that a rule may require, such as `vm.max_map_count`.
    #[serde(default)]
    pub kernel_settings: BTreeMap<String, u64>,
    /// Gain of the clock without correction (negative for a loss), in billionths, as last measured by the program that
    /// synchronizes it.
    #[serde(default)]
    pub clock_drift_ppb: Option<i64>,
    /// Seconds by which the system's clock is ahead of the hardware clock, from which the next boot starts. They are
    /// null without a hardware clock, or if it holds local time.
    #[serde(default)]
    pub ahead_of_hardware_clock_seconds: Option<i64>,
}

/// Processor of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cpu {
    /// Name of the processor.
    pub model: String,
    /// Features that software may require, such as `avx2`, by the kernel's names.
    pub features: Vec<String>,
    /// Level of x86-64: 3 for `x86-64-v3`; null for another architecture.
    pub level: Option<u8>,
    /// Number of memory nodes (NUMA); 1 if all memory is equally near.
    pub numa_nodes: u32,
}

/// Restrictions on programs and modules of a host, apart from SELinux.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Security {
    /// True if the firmware starts only signed systems, whose kernel then loads only signed modules; null without UEFI.
    pub secure_boot: Option<bool>,
    /// True if AppArmor is on.
    pub app_armor: bool,
    /// True if fapolicyd runs, which allows only programs that its rules permit.
    pub fapolicyd: bool,
    /// Running programs of endpoint security, which inspect each file and process; null in facts of schema 3 and older.
    #[serde(default)]
    pub endpoint_programs: Option<Vec<String>>,
}

/// Control groups of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cgroups {
    /// Version, 1 or 2; the hybrid layout counts as 1.
    pub version: u8,
    /// Program that creates groups for pods.
    pub driver: CgroupDriver,
    /// Available controllers.
    pub controllers: Vec<String>,
}

/// Program that creates control groups for pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CgroupDriver {
    /// systemd, as slices and scopes.
    Systemd,
    /// The kubelet itself.
    Cgroupfs,
}

/// Mounted filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filesystem {
    /// Relevant paths on the filesystem.
    pub paths: Vec<String>,
    /// Size in bytes.
    pub total_bytes: u64,
    /// Free space in bytes.
    pub free_bytes: u64,
    /// Number of inodes that can be created; null if the filesystem creates them as needed.
    pub free_inodes: Option<u64>,
    /// True if one of the paths is mounted read-only.
    pub read_only: bool,
    /// Paths from which no program can run (`noexec`).
    pub no_exec: Vec<String>,
    /// Type of the filesystem by the kernel's name, such as `ext4`; empty if it is not known.
    #[serde(default)]
    pub kind: String,
    /// Mount options of the first of the paths, such as `noatime`, without options that name users or folders.
    #[serde(default)]
    pub options: Vec<String>,
    /// True if its disk rotates. It is null if the disk does not report it, as behind RAID or a network, and in facts
    /// of schema 4 and older.
    #[serde(default)]
    pub rotates: Option<bool>,
}

/// Network of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Network {
    /// Addresses other than loopback and link-local ones, in the kernel's order.
    pub addresses: Vec<NodeAddress>,
    /// Interface of the default route with the lowest metric.
    pub default_route: Option<String>,
    /// Maximum packet size of that interface, or of the first address's, in bytes.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// Nameservers that pods can reach: those of `/etc/resolv.conf`, or behind systemd's stub, without loopback.
    pub nameservers: Vec<String>,
    /// TCP ports with a listener.
    pub ports_in_use: Vec<u16>,
    /// UDP ports in use.
    #[serde(default)]
    pub udp_ports_in_use: Vec<u16>,
    /// Programs behind the ports, as far as they are visible: without root, only programs of the same user.
    #[serde(default)]
    pub listeners: Vec<Listener>,
    /// Networks that the host routes to, such as `10.0.0.0/8`, without the default route.
    pub networks: Vec<String>,
    /// Existing tables of the packet filter, such as `firewalld`.
    pub filter_tables: Vec<String>,
    /// Permissions of firewalld, if it filters this host's packets now or after the next boot.
    pub firewalld: Option<Firewalld>,
    /// Chains of the packet filter that drop packets that no rule accepts.
    pub closed_chains: Vec<ClosedChain>,
    /// True if legacy iptables has a table whose rules could not be read: its program is missing, or fails.
    #[serde(default)]
    pub legacy_filter_unread: bool,
    /// True if the host's firewall deletes all tables of the packet filter whenever it starts.
    pub flushes_ruleset: bool,
}

/// Program that listens on a TCP port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// TCP port.
    pub port: u16,
    /// First 15 bytes of the program's name.
    pub program: String,
    /// ID of the process.
    pub pid: u32,
}

/// Permanent configuration of firewalld, as far as it applies to packets of pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Firewalld {
    /// True if its default zone accepts everything.
    pub passes_all: bool,
    /// Sources from which it accepts everything, such as `10.244.0.0/16`.
    pub trusted: Vec<String>,
}

/// Location of the data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataFolder {
    /// Mount point of the filesystem that holds the data folder or will.
    pub mount: String,
    /// Type of that filesystem by the kernel's name, such as `ext4`.
    pub kind: String,
    /// True if the filesystem is XFS made without `ftype=1`, on which overlays do not work.
    pub xfs_without_ftype: bool,
    /// True if it is mounted again at boot.
    pub permanent: bool,
}

/// Chain of the packet filter that drops packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClosedChain {
    /// Software that owns the chain, which decides how a rule is added.
    pub filter: Filter,
    /// Name of the chain, such as `inet filter forward`.
    pub name: String,
    /// Packets that the chain sees.
    pub hook: ClosedHook,
    /// Interfaces (`cni0`, `cni*`) and ranges (`10.244.0.0/16`) from which it accepts everything; `*` for all packets
    /// that it does not drop.
    pub accepts: Vec<String>,
    /// Interfaces and ranges to which it accepts everything; null in facts of schema 2 and older.
    #[serde(default)]
    pub accepts_to: Option<Vec<String>>,
    /// Interfaces and ranges from which it drops everything that it has not accepted before.
    #[serde(default)]
    pub drops: Vec<String>,
    /// Interfaces and ranges to which it drops everything that it has not accepted before.
    #[serde(default)]
    pub drops_to: Vec<String>,
}

/// Packet filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// ufw.
    Ufw,
    /// nftables, or iptables that is built on it.
    Nftables,
    /// Legacy iptables.
    Iptables,
}

/// Packets that a chain sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClosedHook {
    /// Packets for this host.
    Input,
    /// Packets that the host forwards.
    Forward,
}

/// Address of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeAddress {
    /// Interface of the address.
    pub interface: String,
    /// IP address.
    pub address: IpAddr,
    /// Length of the network prefix in bits.
    pub prefix: u8,
}

/// Collects the facts of this host and measures its speeds, for at most three seconds. Changes nothing: files written
/// in between have no name, and are gone on return.
pub fn collect_measured(paths: &SitePaths, gpus: &ProbedGpus) -> Result<Facts, StepError> {
    Ok(Facts { speeds: speed::measure(paths), ..collect(paths, gpus)? })
}

/// Collects the facts of this host except its speeds, with GPU facts found earlier. Changes nothing.
pub fn collect(paths: &SitePaths, gpus: &ProbedGpus) -> Result<Facts, StepError> {
    let system = System::read();
    let modules = host::modules(paths);
    let missing_modules = host::missing_modules(paths, &modules);
    Ok(Facts {
        collected_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        clock_seen: host::clock_seen(paths),
        root: rustix::process::geteuid().is_root(),
        platform: host::platform(),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        operating_system: host::operating_system(paths),
        hostname: rustix::system::uname().nodename().to_string_lossy().to_lowercase(),
        systemd: host::has_systemd(paths),
        cgroups: host::cgroups(paths),
        lowers_oom_score: host::lowers_oom_score(paths),
        cores: host::cores(),
        memory_bytes: system.memory_bytes,
        swap_bytes: system.swap_bytes,
        filesystems: host::filesystems(paths, &system)?,
        data_folder: data_folder::collect(paths),
        network: network::collect(paths)?,
        can_load_modules: host::are_loadable(paths, &missing_modules),
        modules,
        missing_modules,
        limits: host::limits(paths),
        selinux: host::selinux(paths),
        leftovers: kubernetes::leftovers(paths, &system, filter::names),
        gpus: Some(gpus.report.clone()),
        cpu: Some(machine::cpu(paths, &system)),
        security: Some(machine::security(paths, &system)),
        clock_source: clock::source(paths),
        time_program: clock::time_program(&system),
        glibc: machine::glibc(paths),
        speeds: None,
        step_times: step_times::read(paths),
        missing_kernel_options: kernel::missing_options(paths),
        kernel_settings: kernel::settings(paths),
        clock_drift_ppb: clock::drift_ppb(paths),
        ahead_of_hardware_clock_seconds: clock::ahead_of_hardware(paths),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a user namespace without a mapping, a process has the overflow user and no privileges.
    #[test]
    fn unprivileged_user_lacks_packet_filter_facts() {
        const INSIDE: &str = "LANDFALL_TEST_USER";
        let test = "facts::tests::unprivileged_user_lacks_packet_filter_facts";
        if std::env::var_os(INSIDE).is_none() {
            let mut command = std::process::Command::new("unshare");
            command.arg("--user").arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
            let output = command.env(INSIDE, "yes").output().unwrap();
            let said =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        let paths = SitePaths::default();
        let facts = collect(&paths, &ProbedGpus::now(&paths)).unwrap();
        assert!(!facts.root && facts.cores > 0 && !facts.filesystems.is_empty());
        assert!(facts.network.filter_tables.is_empty() && facts.network.closed_chains.is_empty());
    }
}
