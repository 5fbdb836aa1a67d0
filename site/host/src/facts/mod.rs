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

pub use document::{KIND, SCHEMA, Unread};
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
    /// When they were collected, RFC 3339.
    pub collected_at: String,
    /// The newest time that a site on this host has seen, or that a person has confirmed, RFC 3339.
    pub clock_seen: Option<String>,
    /// Whether the process that collected them was root, who alone sees the packet filter.
    pub root: bool,
    /// Such as `linux/amd64`.
    pub platform: String,
    /// Release of the kernel, such as `6.18.44`.
    pub kernel: String,
    /// `ID`, `VERSION_ID` of `/etc/os-release`, such as `debian 12`.
    pub operating_system: String,
    /// Name of the host, in lower case.
    pub hostname: String,
    /// Whether systemd is pid 1.
    pub systemd: bool,
    /// Control groups.
    pub cgroups: Cgroups,
    /// Whether processes may lower their OOM score (`CAP_SYS_RESOURCE`).
    pub lowers_oom_score: bool,
    /// Processor cores.
    pub cores: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of swap that is on.
    pub swap_bytes: u64,
    /// The filesystems that hold the paths in question, each once.
    pub filesystems: Vec<Filesystem>,
    /// Where the data folder is.
    pub data_folder: DataFolder,
    /// Network.
    pub network: Network,
    /// Kernel modules that Kubernetes needs and that are not built into the kernel: they must be loaded at every boot.
    pub modules: Vec<String>,
    /// Those of them that are not loaded now.
    pub missing_modules: Vec<String>,
    /// Whether the kernel's modules are on the disk, all the missing ones among them.
    pub can_load_modules: bool,
    /// Current values of the kernel settings for which Kubernetes needs a minimum.
    pub limits: BTreeMap<String, u64>,
    /// Mode of SELinux, `enforcing` or `permissive`, if the kernel has it.
    pub selinux: Option<String>,
    /// Traces of another Kubernetes or container runtime: files, processes.
    pub leftovers: Vec<String>,
    /// What `landfall-gpu` reports about GPUs, as that document has it; null in facts of schema 1.
    #[schemars(with = "Option<Value>")]
    pub gpus: Option<GpuReport>,
    /// The processor; null in facts of schema 2 and older.
    #[serde(default)]
    pub cpu: Option<Cpu>,
    /// What decides which programs and modules may run; null in facts of schema 2 and older.
    #[serde(default)]
    pub security: Option<Security>,
    /// What the kernel reads time from, such as `tsc`.
    #[serde(default)]
    pub clock_source: Option<String>,
    /// The program that keeps the clock right, such as `chronyd`.
    #[serde(default)]
    pub time_program: Option<String>,
    /// Version of glibc, such as `2.36`; none where the host has another C library.
    #[serde(default)]
    pub glibc: Option<String>,
    /// How fast disk and processor are; none where that was not measured.
    #[serde(default)]
    pub speeds: Option<Speeds>,
    /// How long the steps of the last install on this host took, by their ids.
    #[serde(default)]
    pub step_times: StepTimes,
    /// Options that Kubernetes needs and that the kernel was built without, such as `CONFIG_VXLAN`; null where the configuration of the
    /// kernel is not on the disk.
    #[serde(default)]
    pub missing_kernel_options: Option<Vec<String>>,
    /// Current values of further settings of the kernel that software may ask about, such as `vm.max_map_count`.
    #[serde(default)]
    pub kernel_settings: BTreeMap<String, u64>,
    /// How much the clock gains (or loses, below 0) without correction, in billionths, as the program that keeps it right last found.
    #[serde(default)]
    pub clock_drift_ppb: Option<i64>,
    /// Seconds by which the system's clock is ahead of the hardware clock, from which the next boot starts; null without one, or where
    /// it holds local time.
    #[serde(default)]
    pub ahead_of_hardware_clock_seconds: Option<i64>,
}

/// The processor of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cpu {
    /// Its name.
    pub model: String,
    /// Features that software asks for, such as `avx2`, by the kernel's names.
    pub features: Vec<String>,
    /// Level of x86-64: 3 for `x86-64-v3`; none for another architecture.
    pub level: Option<u8>,
    /// Nodes of memory (NUMA); 1 where all memory is equally near.
    pub numa_nodes: u32,
}

/// What decides which programs and modules may run on a host, beside SELinux.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Security {
    /// Whether the firmware starts signed systems alone, whose kernel then loads signed modules alone; none without UEFI.
    pub secure_boot: Option<bool>,
    /// Whether AppArmor is on.
    pub app_armor: bool,
    /// Whether fapolicyd runs, which lets only programs run that its rules allow.
    pub fapolicyd: bool,
    /// Programs of endpoint security that run, which look at each file and process; null in facts of schema 3 and older.
    #[serde(default)]
    pub endpoint_programs: Option<Vec<String>>,
}

/// Control groups of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cgroups {
    /// 1 or 2; the hybrid layout counts as 1.
    pub version: u8,
    /// Who makes groups for pods.
    pub driver: CgroupDriver,
    /// Controllers that are there.
    pub controllers: Vec<String>,
}

/// Who makes control groups for pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CgroupDriver {
    /// systemd, as slices and scopes.
    Systemd,
    /// The kubelet itself.
    Cgroupfs,
}

/// One mounted filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filesystem {
    /// The paths in question that are on it.
    pub paths: Vec<String>,
    /// Its size in bytes.
    pub total_bytes: u64,
    /// Bytes that can be written.
    pub free_bytes: u64,
    /// Inodes that can be made; none if the filesystem makes them as needed.
    pub free_inodes: Option<u64>,
    /// Whether one of them is mounted read-only.
    pub read_only: bool,
    /// Those of them from which no program can run (`noexec`).
    pub no_exec: Vec<String>,
    /// The kernel's name for its type, such as `ext4`; empty where that is not known.
    #[serde(default)]
    pub kind: String,
    /// Options with which the first of the paths is mounted, such as `noatime`, without those that name users or folders.
    #[serde(default)]
    pub options: Vec<String>,
    /// Whether its disk rotates; null where the disk does not say, as behind RAID or a network, and in facts of schema 4 and older.
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
    /// Bytes of the largest packet of that interface, or of the first address's.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// Nameservers that pods can reach: those of `/etc/resolv.conf`, or behind systemd's stub, without loopback.
    pub nameservers: Vec<String>,
    /// TCP ports that something listens on.
    pub ports_in_use: Vec<u16>,
    /// UDP ports that something has.
    #[serde(default)]
    pub udp_ports_in_use: Vec<u16>,
    /// The programs behind them, as far as they are seen: without root, those of the same user alone.
    #[serde(default)]
    pub listeners: Vec<Listener>,
    /// Networks that the host routes to, such as `10.0.0.0/8`, without the default route.
    pub networks: Vec<String>,
    /// Existing tables of the packet filter, such as `firewalld`.
    pub filter_tables: Vec<String>,
    /// What firewalld allows, if it filters this host's packets now or after the next boot.
    pub firewalld: Option<Firewalld>,
    /// Chains of the packet filter that drop what no rule accepts.
    pub closed_chains: Vec<ClosedChain>,
    /// Whether legacy iptables has a table whose rules could not be read: its program is missing, or fails.
    #[serde(default)]
    pub legacy_filter_unread: bool,
    /// Whether the host's firewall deletes all tables of the packet filter whenever it starts.
    pub flushes_ruleset: bool,
}

/// A program that listens on a TCP port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// The port.
    pub port: u16,
    /// The first 15 bytes of the program's name.
    pub program: String,
    /// The id of its process.
    pub pid: u32,
}

/// firewalld's permanent configuration, as far as it decides about packets of pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Firewalld {
    /// Whether its default zone accepts everything.
    pub passes_all: bool,
    /// Sources from which it accepts everything, such as `10.244.0.0/16`.
    pub trusted: Vec<String>,
}

/// The data folder's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataFolder {
    /// The mount point of the filesystem that holds it or will.
    pub mount: String,
    /// The kernel's name for that filesystem's type, such as `ext4`.
    pub kind: String,
    /// Whether it is XFS made without `ftype=1`, on which overlays do not work.
    pub xfs_without_ftype: bool,
    /// Whether a boot mounts it again.
    pub permanent: bool,
}

/// A chain of the packet filter that drops packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClosedChain {
    /// The software that owns it, which decides how a rule is added.
    pub filter: Filter,
    /// Its name, such as `inet filter forward`.
    pub name: String,
    /// Which packets it sees.
    pub hook: ClosedHook,
    /// Interfaces (`cni0`, `cni*`) and ranges (`10.244.0.0/16`) from which it accepts everything; `*` for all packets that it does not drop.
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

/// What filters packets.
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

/// Which packets a chain sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClosedHook {
    /// Packets for this host.
    Input,
    /// Packets that it forwards.
    Forward,
}

/// An address of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeAddress {
    /// Its interface.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Bits of its network.
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

    /// In a user namespace without a mapping, a process has the overflow user and no rights.
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
