//! Everything that would block an installation, found at once and before anything is changed: a field engineer visits
//! once, and must not discover a second blocker after removing the first.

use landfall_error_codes::{Code, Coded, codes};
use landfall_release_document::{DataRoom, ReleaseDocument};
use serde::Serialize;

use crate::configuration::SiteConfiguration;
use crate::console::{HOST_PORT, console_of};
use crate::plan::network::{Networks, node_identity};
use crate::room::FilesystemPeak;
use landfall_engine::step::StepError;
use landfall_host::facts::{Facts, Filesystem};

pub(crate) use firewall::passes_pods;

pub(crate) mod clock;
mod firewall;

/// Oldest kernel whose nftables, overlay and cgroups Kubernetes' parts need.
const KERNEL: (u32, u32) = (5, 14);
/// Free space that the operating system's own filesystem must keep: logs, settings, certificates.
const SYSTEM_BYTES: u64 = 256 << 20;
/// The kubelet evicts pods below this much free space; it is added to the need.
pub(crate) const EVICTION_BYTES: u64 = 1 << 30;
/// Firmware and kernel reserve a part of the installed memory, so a little less counts as enough.
const MEMORY_TOLERANCE_PERCENT: u64 = 8;
/// Controllers that the kubelet cannot do without.
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];
/// API server, etcd, kubelet, kube-proxy, controller manager, scheduler, registry.
const PORTS: [u16; 11] = [2379, 2380, 2381, 5000, 6443, 10248, 10249, 10250, 10256, 10257, 10259];
/// The path of the data folder.
const DATA: &str = "/var/lib/landfall";

/// The sizes of the release, from the head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// What it takes of the data folder.
    pub room: DataRoom,
    /// Files, folders and links of its layers.
    pub unpacked_inodes: u64,
}

/// One blocker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blocker {
    /// Entry of the registry of codes.
    pub code: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// What was measured.
    pub found: String,
    /// What is needed.
    pub needed: String,
    /// How a person removes it.
    pub fix: String,
}

impl Blocker {
    pub(crate) fn new(code: Code, found: impl Into<String>, needed: impl Into<String>) -> Self {
        Self { code: code.id, title: code.title, found: found.into(), needed: needed.into(), fix: code.fix.to_owned() }
    }

    fn of(error: &StepError, needed: &str) -> Self {
        let mut blocker = Self::new(error.code(), error.to_string(), needed);
        if let Some(hint) = error.hint() {
            blocker.fix = hint;
        }
        blocker
    }
}

impl std::fmt::Display for Blocker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "[{}] {}: {}; needed: {}", self.code, self.title, self.found, self.needed)
    }
}

/// All blockers; none if the host is ready. `built_at` is the head's, RFC 3339 in UTC.
pub fn preflight(
    facts: &Facts,
    release: &ReleaseDocument,
    configuration: &SiteConfiguration,
    sizes: Sizes,
    built_at: &str,
) -> Vec<Blocker> {
    let mut blockers = system(facts, release);
    blockers.extend(capacity(facts, release, sizes));
    blockers.extend(network(facts, &ports(release), configuration));
    if !facts.leftovers.is_empty() {
        blockers.push(Blocker::new(codes::OTHER_KUBERNETES, facts.leftovers.join(", "), "none"));
    }
    blockers.extend(clock::blocker(facts, built_at));
    blockers
}

/// Warnings before an installation, which do not block.
pub fn warnings(facts: &Facts) -> Vec<String> {
    let mut warnings = Vec::new();
    if facts.network.flushes_ruleset {
        warnings.push(
            "nftables.service deletes the cluster's rules whenever it starts (`flush ruleset`): services are then \
             unreachable for up to 30 s, until Landfall's agent has restored them; in the file of its rules, replace \
             that line by one `flush table` for each table of your own"
                .to_owned(),
        );
    }
    warnings.extend(clock::warning(facts));
    warnings
}

fn system(facts: &Facts, release: &ReleaseDocument) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    if !facts.root {
        blockers.push(Blocker::new(codes::NOT_ROOT, "another user", "root"));
    }
    if facts.platform != release.platform {
        blockers.push(Blocker::new(codes::WRONG_PLATFORM, &facts.platform, &release.platform));
    }
    if kernel_version(&facts.kernel).is_none_or(|version| version < KERNEL) {
        let needed = format!("{}.{} or newer", KERNEL.0, KERNEL.1);
        blockers.push(Blocker::new(codes::KERNEL_TOO_OLD, &facts.kernel, needed));
    }
    if !facts.systemd {
        blockers.push(Blocker::new(codes::SYSTEMD_MISSING, "another first process", "systemd"));
    }
    let missing: Vec<&str> = CONTROLLERS
        .into_iter()
        .filter(|wanted| !facts.cgroups.controllers.iter().any(|controller| controller == wanted))
        .collect();
    if !missing.is_empty() {
        let found = format!("version {} without {}", facts.cgroups.version, missing.join(", "));
        blockers.push(Blocker::new(codes::CGROUPS_UNFIT, found, CONTROLLERS.join(", ")));
    }
    if facts.selinux.as_deref() == Some("enforcing") {
        blockers.push(Blocker::new(codes::SELINUX_ENFORCING, "SELinux is enforcing", "permissive or off"));
    }
    blockers
}

/// The first two numbers of a kernel's release.
fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn capacity(facts: &Facts, release: &ReleaseDocument, sizes: Sizes) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    let wanted = &release.requirements;
    if facts.cores < wanted.cores {
        blockers.push(Blocker::new(codes::TOO_FEW_CORES, facts.cores.to_string(), wanted.cores.to_string()));
    }
    if facts.memory_bytes < wanted.memory_bytes / 100 * (100 - MEMORY_TOLERANCE_PERCENT) {
        blockers.push(Blocker::new(codes::TOO_LITTLE_MEMORY, size(facts.memory_bytes), size(wanted.memory_bytes)));
    }
    for filesystem in &facts.filesystems {
        let holds_data = filesystem.paths.iter().any(|path| path == DATA);
        let holds_more = filesystem.paths.iter().any(|path| path != DATA);
        let mut parts = if holds_data { data_parts(sizes.room) } else { Vec::new() };
        if holds_more {
            parts.push((SYSTEM_BYTES, "for the operating system"));
        }
        blockers.extend(space(filesystem, &parts, if holds_data { sizes.unpacked_inodes } else { 0 }));
        // All programs run from there: Landfall's own, the node's, and those of every image.
        if filesystem.no_exec.iter().any(|path| path == DATA) {
            let found = format!("{DATA} is on a filesystem that is mounted with noexec");
            blockers.push(Blocker::new(codes::NO_EXEC, found, "mounted with exec"));
        }
    }
    blockers.extend(data_folder(facts));
    blockers
}

/// What keeps an upgrade with these peaks from being made.
pub(crate) fn upgrade_space(facts: &Facts, peaks: &[FilesystemPeak]) -> Vec<Blocker> {
    let is_fixed = |filesystem: &&Filesystem| filesystem.read_only && filesystem.paths.iter().any(|path| path == DATA);
    let fixed = facts.filesystems.iter().filter(is_fixed);
    let fixed = fixed.map(|found| Blocker::new(codes::READ_ONLY, filesystem_of(&found.paths), "writable"));
    fixed.chain(peaks.iter().flat_map(lacking)).collect()
}

/// What a filesystem lacks for this peak, with the exact figures: a person frees as much.
fn lacking(peak: &FilesystemPeak) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    let of = filesystem_of(std::slice::from_ref(&peak.folder));
    if peak.free_bytes < peak.needed_bytes {
        let found = format!("{} free on {of} ({} bytes)", size(peak.free_bytes), peak.free_bytes);
        let parts: Vec<String> =
            peak.parts.iter().map(|part| format!("{} {}", size(part.bytes), part.purpose)).collect();
        let needed = format!("{} ({} bytes: {})", size(peak.needed_bytes), peak.needed_bytes, parts.join(", "));
        blockers.push(Blocker::new(codes::TOO_LITTLE_SPACE, found, needed));
    }
    if let Some(free) = peak.free_inodes.filter(|free| *free < peak.needed_inodes) {
        blockers.push(Blocker::new(
            codes::TOO_FEW_INODES,
            format!("{free} free on {of}"),
            peak.needed_inodes.to_string(),
        ));
    }
    blockers
}

fn filesystem_of(paths: &[String]) -> String {
    format!("the filesystem of {}", paths.join(", "))
}

/// The space that the data folder needs, part by part: what the vendor's build announced, and the kubelet's reserve.
fn data_parts(room: DataRoom) -> Vec<(u64, &'static str)> {
    let DataRoom { staged_bytes, unpacked_bytes, unpacking_bytes, data_bytes } = room;
    vec![
        (staged_bytes, "for the release"),
        (unpacked_bytes, "for its images once unpacked"),
        (unpacking_bytes, "for unpacking"),
        (data_bytes, "for its data"),
        (EVICTION_BYTES, "that Kubernetes keeps free"),
    ]
}

fn data_folder(facts: &Facts) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    let folder = &facts.data_folder;
    let is_remote = ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p"].contains(&folder.kind.as_str());
    let unfit = match folder.kind.as_str() {
        _ if is_remote => Some(format!("{DATA} is on {} (a filesystem of another machine)", folder.kind)),
        "overlay" => Some(format!("{DATA} is on an overlay")),
        "tmpfs" | "ramfs" => Some(format!("{DATA} is in memory ({})", folder.kind)),
        "vfat" | "exfat" | "ntfs" | "ntfs3" => Some(format!("{DATA} is on {}", folder.kind)),
        _ if folder.xfs_without_ftype => Some(format!("{DATA} is on XFS made with ftype=0")),
        _ => None,
    };
    if let Some(found) = unfit {
        blockers.push(Blocker::new(codes::DATA_FILESYSTEM, found, "a local ext4 or XFS filesystem"));
    }
    if !folder.permanent {
        let found = format!("{} is mounted by neither /etc/fstab nor an enabled unit", folder.mount);
        let mut blocker = Blocker::new(codes::MOUNT_NOT_PERMANENT, found, "a mount at every boot");
        blocker.fix = format!("Add the mount of {} to /etc/fstab, or enable a systemd mount unit.", folder.mount);
        blockers.push(blocker);
    }
    blockers
}

fn space(filesystem: &Filesystem, parts: &[(u64, &str)], inodes: u64) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    let of = filesystem_of(&filesystem.paths);
    if filesystem.read_only {
        blockers.push(Blocker::new(codes::READ_ONLY, of.clone(), "writable"));
    }
    let bytes = parts.iter().map(|(bytes, _)| *bytes).fold(0, u64::saturating_add);
    if filesystem.free_bytes < bytes {
        let found = format!("{} free on {of}", size(filesystem.free_bytes));
        let listed: Vec<String> = parts.iter().map(|(bytes, what)| format!("{} {what}", size(*bytes))).collect();
        let needed = format!("{} ({})", size(bytes), listed.join(", "));
        blockers.push(Blocker::new(codes::TOO_LITTLE_SPACE, found, needed));
    }
    if let Some(free) = filesystem.free_inodes.filter(|free| *free < inodes) {
        blockers.push(Blocker::new(codes::TOO_FEW_INODES, format!("{free} free on {of}"), inodes.to_string()));
    }
    blockers
}

/// The ports that a site of this release listens on.
fn ports(release: &ReleaseDocument) -> Vec<u16> {
    PORTS.into_iter().chain(console_of(release).map(|_| HOST_PORT)).collect()
}

/// Ports that only the later release needs, and that something else has.
pub fn upgrade_ports(facts: &Facts, before: &ReleaseDocument, after: &ReleaseDocument) -> Option<Blocker> {
    let known = ports(before);
    let new: Vec<u16> = ports(after).into_iter().filter(|port| !known.contains(port)).collect();
    busy(facts, &new)
}

fn busy(facts: &Facts, ports: &[u16]) -> Option<Blocker> {
    let busy: Vec<String> =
        ports.iter().filter(|port| facts.network.ports_in_use.contains(port)).map(ToString::to_string).collect();
    (!busy.is_empty()).then(|| Blocker::new(codes::PORT_IN_USE, format!("TCP {}", busy.join(", ")), "all of them free"))
}

fn network(facts: &Facts, ports: &[u16], configuration: &SiteConfiguration) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    if let Some(blocker) = ipv6(facts, configuration) {
        blockers.push(blocker);
    } else if let Err(error) = node_identity(facts, configuration) {
        blockers.push(Blocker::of(&error, "a name and an address for the node"));
    }
    blockers.extend(busy(facts, ports));
    if !facts.missing_modules.is_empty() && !facts.can_load_modules {
        blockers.push(Blocker::new(codes::MODULE_MISSING, facts.missing_modules.join(", "), "loaded or loadable"));
    }
    match Networks::of(configuration) {
        Ok(networks) => {
            blockers.extend(overlaps(facts, &networks));
            blockers.extend(firewall::firewalld(facts, &networks));
            blockers.extend(firewall::closed(facts, &networks));
        }
        Err(error) => blockers.push(Blocker::of(&error, "ranges of addresses")),
    }
    blockers
}

/// IPv6 is refused, alone and beside IPv4, until it is fully supported.
fn ipv6(facts: &Facts, configuration: &SiteConfiguration) -> Option<Blocker> {
    let ranges = configuration.network.pod_ranges.iter().chain(&configuration.network.service_ranges);
    let wanted: Vec<String> = ranges.filter(|range| range.address().is_ipv6()).map(ToString::to_string).collect();
    let addresses = &facts.network.addresses;
    let found = if !wanted.is_empty() {
        format!("the site configuration names {}", wanted.join(", "))
    } else if let Some(address) = configuration.node.address.filter(std::net::IpAddr::is_ipv6) {
        format!("`node.address` in the site configuration is {address}")
    } else if !addresses.is_empty() && addresses.iter().all(|address| address.address.is_ipv6()) {
        "the host has IPv6 addresses only".to_owned()
    } else {
        return None;
    };
    Some(Blocker::new(codes::IPV6_UNSUPPORTED, found, "IPv4"))
}

fn overlaps(facts: &Facts, networks: &Networks) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    for range in networks.pods.iter().chain(&networks.services) {
        for network in &facts.network.networks {
            if network.parse().is_ok_and(|network| range.overlaps(&network)) {
                let found = format!("{range} of the cluster and {network} of the host");
                blockers.push(Blocker::new(codes::RANGES_OVERLAP, found, "no common address"));
            }
        }
    }
    for pods in &networks.pods {
        for services in networks.services.iter().filter(|services| services.overlaps(pods)) {
            let found = format!("{pods} of pods and {services} of services");
            blockers.push(Blocker::new(codes::RANGES_OVERLAP, found, "no common address"));
        }
    }
    blockers
}

/// Bytes, for people.
pub(crate) fn size(bytes: u64) -> String {
    const GIBIBYTE: u64 = 1 << 30;
    const MEBIBYTE: u64 = 1 << 20;
    if bytes < GIBIBYTE {
        return format!("{} MiB", bytes / MEBIBYTE);
    }
    format!("{}.{} GiB", bytes / GIBIBYTE, bytes % GIBIBYTE * 10 / GIBIBYTE)
}

#[cfg(test)]
mod tests;
