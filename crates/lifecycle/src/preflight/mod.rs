//! All blockers of an installation, found at once and before anything is changed. A field engineer visits once, and
//! must not discover a second blocker after removing the first.

use landfall_error_codes::codes;
use landfall_release_document::{DataRoom, ReleaseDocument};

use crate::plan::host_ports::HostPorts;
use landfall_host::facts::Facts;
use landfall_site::configuration::SiteConfiguration;
use landfall_site::findings::{self, Finding};
use landfall_site::room::{FilesystemPeak, size};

pub(crate) use firewall::{firewall_findings as closed_firewalls, inbound};
pub(crate) use gpu::problem_of_gpu;
use network::upgrade_ports;
use storage::upgrade_space;

pub(crate) mod clock;
mod distribution;
mod firewall;
mod glibc;
mod gpu;
mod host;
mod network;
mod passed;
mod rules;
mod storage;

/// Oldest kernel whose nftables, overlay and cgroups satisfy Kubernetes' parts.
const KERNEL: (u32, u32) = (5, 14);
/// Percentage of installed memory that may be missing, because firmware and kernel reserve some.
const MEMORY_TOLERANCE_PERCENT: u64 = 8;
/// Cgroup controllers that the kubelet requires.
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

/// Sizes of the release, from the head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Space of the data folder that it needs.
    pub room: DataRoom,
    /// Number of files, folders and links of its layers.
    pub unpacked_inodes: u64,
}

/// Inputs of preflight.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The host.
    pub facts: &'a Facts,
    /// The release.
    pub release: &'a ReleaseDocument,
    /// The site's configuration.
    pub configuration: &'a SiteConfiguration,
    /// The sizes of the release.
    pub sizes: Sizes,
    /// Ports of the host that its components use.
    pub host_ports: &'a HostPorts,
    /// Build time of the release, RFC 3339 in UTC.
    pub built_at: &'a str,
}

/// State of a site before an upgrade.
#[derive(Debug, Clone, Copy)]
pub struct EarlierSite<'a> {
    /// The installed release.
    pub release: &'a ReleaseDocument,
    /// Ports of the host that its components use.
    pub host_ports: &'a HostPorts,
}

/// Returns all findings before an installation, the most urgent first. They include blockers unless the host is ready.
/// A pure function of its subject.
pub fn preflight(subject: &Subject<'_>) -> Vec<Finding> {
    let Subject { facts, release, sizes, built_at, .. } = *subject;
    let mut findings = system(facts, release);
    findings.extend(machine(facts, release));
    findings.extend(glibc::finding(facts, release));
    findings.extend(storage::findings(facts, sizes));
    findings.extend(network::findings(subject));
    if !facts.leftovers.is_empty() {
        findings.push(Finding::new(codes::OTHER_KUBERNETES, facts.leftovers.join(", "), "none"));
    }
    findings.extend(clock::blocker(facts, built_at));
    findings.extend(warnings(facts));
    findings.extend(gpu::findings(facts, release.requirements.gpus.as_ref()));
    findings.extend(rules::findings(subject));
    findings.extend(passed::findings(subject, &findings));
    findings::sort(&mut findings);
    findings
}

/// Returns the findings before an upgrade of a site. They cover peaks of space, ports that only the later release
/// needs, and its further requirements for the host.
pub(crate) fn upgrade(
    subject: &Subject<'_>,
    before: Option<&EarlierSite<'_>>,
    peaks: &[FilesystemPeak],
) -> Vec<Finding> {
    let Subject { facts, release, .. } = *subject;
    let mut findings = upgrade_space(facts, peaks);
    findings.extend(glibc::finding(facts, release));
    findings.extend(before.into_iter().flat_map(|before| upgrade_ports(subject, before)));
    findings.extend(gpu::findings(facts, release.requirements.gpus.as_ref()));
    findings.extend(rules::findings(subject));
    findings
}

/// Returns warnings before an installation, which do not block, and findings that cannot be judged.
fn warnings(facts: &Facts) -> Vec<Finding> {
    let mut warnings = Vec::new();
    if facts.network.flushes_ruleset {
        warnings.push(Finding::warning(
            codes::FIREWALL_FLUSHES,
            "nftables.service deletes the cluster's rules whenever it starts (`flush ruleset`): services are then \
             unreachable for up to 30 s, until Landfall's agent has restored them",
            codes::FIREWALL_FLUSHES.fix,
        ));
    }
    warnings.extend(clock::warning(facts));
    warnings.extend(host::hardware_clock(facts));
    warnings.extend(distribution::warning(facts));
    warnings.extend(program_rules(facts));
    warnings.extend(host::endpoint_security(facts));
    if facts.swap_bytes > 0 {
        let finding =
            Finding::warning(codes::SWAP_ON, format!("{} of swap", size(facts.swap_bytes)), codes::SWAP_ON.fix);
        warnings.push(finding.commands(["swapoff --all".to_owned()]));
    }
    if facts.network.nameservers.is_empty() {
        let found = "/etc/resolv.conf names none but loopback addresses";
        warnings.push(Finding::warning(codes::NO_NAMESERVER, found, codes::NO_NAMESERVER.fix));
    }
    warnings.extend(storage::slow_sync(facts));
    warnings.extend(storage::barriers(facts));
    warnings.extend(host::unknown(facts));
    warnings
}

/// Returns a finding about programs other than SELinux that decide which programs may run.
fn program_rules(facts: &Facts) -> Option<Finding> {
    match &facts.security {
        None => Some(Finding::unknown(codes::PROGRAM_RULES, "Whether fapolicyd decides which programs may run", 2)),
        // The content of its rules is unknown.
        Some(security) if security.fapolicyd => {
            Some(Finding::to_accept(codes::PROGRAM_RULES, "fapolicyd runs", codes::PROGRAM_RULES.fix))
        }
        Some(_) => None,
    }
}

fn system(facts: &Facts, release: &ReleaseDocument) -> Vec<Finding> {
    let mut blockers = Vec::new();
    if !facts.root {
        blockers.push(Finding::new(codes::NOT_ROOT, "another user", "root"));
    }
    if facts.platform != release.platform {
        blockers.push(Finding::new(codes::WRONG_PLATFORM, &facts.platform, &release.platform));
    }
    if two_numbers(&facts.kernel).is_none_or(|version| version < KERNEL) {
        let needed = format!("{}.{} or newer", KERNEL.0, KERNEL.1);
        blockers.push(Finding::new(codes::KERNEL_TOO_OLD, &facts.kernel, needed));
    }
    blockers.extend(host::kernel_options(facts));
    if !facts.systemd {
        blockers.push(Finding::new(codes::SYSTEMD_MISSING, "a different first process", "systemd"));
    }
    let missing: Vec<&str> = CONTROLLERS
        .into_iter()
        .filter(|wanted| !facts.cgroups.controllers.iter().any(|controller| controller == wanted))
        .collect();
    if !missing.is_empty() {
        let found = format!("version {} without {}", facts.cgroups.version, missing.join(", "));
        blockers.push(Finding::new(codes::CGROUPS_UNFIT, found, CONTROLLERS.join(", ")));
    }
    if facts.selinux.as_deref() == Some("enforcing") {
        let finding = Finding::new(codes::SELINUX_ENFORCING, "SELinux is enforcing", "permissive or off");
        let permanent = "sed -i 's/^SELINUX=.*/SELINUX=permissive/' /etc/selinux/config";
        blockers.push(finding.commands([permanent, "setenforce 0"].map(str::to_owned)));
    }
    blockers
}

/// Returns the first two numbers of a version, such as a kernel's.
fn two_numbers(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Returns findings about processor and memory.
fn machine(facts: &Facts, release: &ReleaseDocument) -> Vec<Finding> {
    let mut blockers = Vec::new();
    let wanted = &release.requirements;
    if facts.cores < wanted.cores {
        blockers.push(Finding::new(codes::TOO_FEW_CORES, facts.cores.to_string(), wanted.cores.to_string()));
    }
    if facts.memory_bytes < wanted.memory_bytes / 100 * (100 - MEMORY_TOLERANCE_PERCENT) {
        blockers.push(Finding::new(codes::TOO_LITTLE_MEMORY, size(facts.memory_bytes), size(wanted.memory_bytes)));
    }
    blockers
}

#[cfg(test)]
mod tests;
