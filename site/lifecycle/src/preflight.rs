//! Everything that would block an installation, found at once and before anything is changed: a field engineer comes
//! once, and must not learn of a second blocker after having removed the first.

use std::cmp::Ordering;

use landfall_error_codes::{Code, Coded, codes};
use landfall_release_document::ReleaseDocument;
use serde::Serialize;

use crate::configuration::SiteConfiguration;
use crate::plan::install::staged_bytes;
use crate::plan::network::{Networks, node_identity};
use landfall_engine::step::StepError;
use landfall_host::facts::{Facts, Filesystem};
use landfall_host::range::IpRange;

/// Oldest kernel whose nftables, overlay and cgroups Kubernetes' parts need.
const KERNEL: (u32, u32) = (5, 14);
/// Free space that the operating system's own filesystem must keep: logs, settings, certificates.
const SYSTEM_BYTES: u64 = 256 << 20;
/// What containerd needs beside an image while it unpacks it.
const UNPACKING_BYTES: u64 = 512 << 20;
/// Below so much free space the kubelet removes pods; it comes on top.
const EVICTION_BYTES: u64 = 1 << 30;
/// Firmware and kernel take a part of the memory that is built in, so a little less counts as enough.
const MEMORY_TOLERANCE_PERCENT: u64 = 8;
/// Controllers that the kubelet cannot do without.
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];
/// API server, etcd, kubelet, kube-proxy, controller manager, scheduler, registry.
const PORTS: [u16; 11] = [2379, 2380, 2381, 5000, 6443, 10248, 10249, 10250, 10256, 10257, 10259];
/// Where the data folder lies.
const DATA: &str = "/var/lib/landfall";

/// What the release takes, from the head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sizes {
    /// Bytes of its layers once unpacked.
    pub unpacked_bytes: u64,
    /// Files, folders and links of its layers.
    pub unpacked_inodes: u64,
}

/// One thing that blocks.
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
    /// What a person does about it.
    pub fix: String,
}

impl Blocker {
    fn new(code: Code, found: impl Into<String>, needed: impl Into<String>) -> Self {
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

/// All that blocks; nothing, where the host is ready. `built_at` is the head's, RFC 3339 in UTC.
pub fn preflight(
    facts: &Facts,
    release: &ReleaseDocument,
    configuration: &SiteConfiguration,
    sizes: Sizes,
    built_at: &str,
) -> Vec<Blocker> {
    let mut blockers = system(facts, release);
    blockers.extend(capacity(facts, release, sizes));
    blockers.extend(network(facts, configuration));
    if !facts.leftovers.is_empty() {
        blockers.push(Blocker::new(codes::OTHER_KUBERNETES, facts.leftovers.join(", "), "none"));
    }
    // Both are RFC 3339 in UTC with a `Z`, so their order is that of their texts.
    if facts.collected_at.as_str().cmp(built_at) == Ordering::Less {
        let needed = format!("later than {built_at}, when the release was built");
        blockers.push(Blocker::new(codes::CLOCK_WRONG, facts.collected_at.clone(), needed));
    }
    blockers
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
    let data_bytes =
        staged_bytes(release) + sizes.unpacked_bytes + UNPACKING_BYTES + EVICTION_BYTES + wanted.data_bytes;
    for filesystem in &facts.filesystems {
        let holds_data = filesystem.paths.iter().any(|path| path == DATA);
        let holds_more = filesystem.paths.iter().any(|path| path != DATA);
        let bytes = if holds_data { data_bytes } else { 0 } + if holds_more { SYSTEM_BYTES } else { 0 };
        blockers.extend(space(filesystem, bytes, if holds_data { sizes.unpacked_inodes } else { 0 }));
        // All programs run from there: Landfall's own, the node's, and those of every image.
        if filesystem.no_exec.iter().any(|path| path == DATA) {
            let found = format!("{DATA} is on a filesystem that is mounted with noexec");
            blockers.push(Blocker::new(codes::NO_EXEC, found, "mounted with exec"));
        }
    }
    blockers
}

fn space(filesystem: &Filesystem, bytes: u64, inodes: u64) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    let of = format!("the filesystem of {}", filesystem.paths.join(", "));
    if filesystem.read_only {
        blockers.push(Blocker::new(codes::READ_ONLY, of.clone(), "writable"));
    }
    if filesystem.free_bytes < bytes {
        let found = format!("{} free on {of}", size(filesystem.free_bytes));
        blockers.push(Blocker::new(codes::TOO_LITTLE_SPACE, found, size(bytes)));
    }
    if let Some(free) = filesystem.free_inodes.filter(|free| *free < inodes) {
        blockers.push(Blocker::new(codes::TOO_FEW_INODES, format!("{free} free on {of}"), inodes.to_string()));
    }
    blockers
}

fn network(facts: &Facts, configuration: &SiteConfiguration) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    if let Err(error) = node_identity(facts, configuration) {
        blockers.push(Blocker::of(&error, "a name and an address for the node"));
    }
    let busy: Vec<String> =
        PORTS.iter().filter(|port| facts.network.ports_in_use.contains(port)).map(ToString::to_string).collect();
    if !busy.is_empty() {
        blockers.push(Blocker::new(codes::PORT_IN_USE, format!("TCP {}", busy.join(", ")), "all of them free"));
    }
    if !facts.missing_modules.is_empty() && !facts.can_load_modules {
        blockers.push(Blocker::new(codes::MODULE_MISSING, facts.missing_modules.join(", "), "loaded or loadable"));
    }
    match Networks::of(configuration) {
        Ok(networks) => {
            blockers.extend(overlaps(facts, &networks));
            blockers.extend(firewall(facts, &networks));
        }
        Err(error) => blockers.push(Blocker::of(&error, "ranges of addresses")),
    }
    blockers
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

/// firewalld refuses what it was told nothing of, and a reject of one program is not taken back by another's accept: pods
/// reach neither one another nor the API server, for certain, unless it trusts their addresses.
fn firewall(facts: &Facts, networks: &Networks) -> Option<Blocker> {
    let firewalld = facts.network.firewalld.as_ref().filter(|firewalld| !firewalld.passes_all)?;
    let trusted: Vec<IpRange> = firewalld.trusted.iter().filter_map(|source| source.parse().ok()).collect();
    let is_trusted = |pods: &&IpRange| {
        trusted.iter().any(|source| source.prefix() <= pods.prefix() && source.contains(pods.address()))
    };
    let refused = networks.pods.iter().find(|pods| !is_trusted(pods))?;
    let found = format!("firewalld refuses packets from {refused}");
    let mut blocker = Blocker::new(codes::FIREWALL_CLOSED, found, "all of them accepted");
    let ranges = networks.pods.iter().chain(&networks.services);
    let sources: Vec<String> = ranges.map(|range| format!("--add-source={range}")).collect();
    blocker.fix = format!(
        "Run `firewall-cmd --permanent --zone=trusted {}` and `firewall-cmd --reload`; or turn firewalld off with \
         `systemctl disable --now firewalld`.",
        sources.join(" ")
    );
    Some(blocker)
}

/// Bytes as a person reads them.
fn size(bytes: u64) -> String {
    const GIBIBYTE: u64 = 1 << 30;
    const MEBIBYTE: u64 = 1 << 20;
    if bytes < GIBIBYTE {
        return format!("{} MiB", bytes / MEBIBYTE);
    }
    format!("{}.{} GiB", bytes / GIBIBYTE, bytes % GIBIBYTE * 10 / GIBIBYTE)
}

#[cfg(test)]
mod tests;
