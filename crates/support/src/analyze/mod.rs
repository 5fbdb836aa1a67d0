//! Analysis of a support bundle: a pure function from its contents to observations, with a table of rules. Any text in
//! a bundle may be hostile: it is quoted in bounded pieces, and the code that prints it must escape it.

mod evidence;
mod hosts;
mod pods;
mod site;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::Contents;

use evidence::BundleReading;
pub use evidence::Evidence;

/// Severity of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Something does not work.
    Error,
    /// Something will not work soon, or did not work for a while.
    Warning,
}

/// Observation in a support bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// Rule that made the observation.
    pub rule: &'static str,
    /// Severity of the observation.
    pub severity: Severity,
    /// Description of the observation.
    pub what: &'static str,
    /// Places that show it, at most [`MAX_EVIDENCE`].
    pub evidence: Vec<Evidence>,
    /// Number of further places that show it.
    pub more: usize,
    /// Page of the documents to read.
    pub page: &'static str,
}

/// Maximum number of places in an observation.
pub const MAX_EVIDENCE: usize = 5;

/// Analysis of a support bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// Collection time of the bundle, by the site's clock.
    pub collected_at: String,
    /// Version of the `landfall` that collected it.
    pub landfall: String,
    /// Number of files in the bundle.
    pub files: usize,
    /// Observations, errors first.
    pub observations: Vec<Observation>,
    /// Data that the bundle lacks, so that the analysis could find nothing there.
    pub gaps: Vec<String>,
}

/// A rule: name, severity and description of its observation, further reading, and search function.
struct Rule {
    name: &'static str,
    severity: Severity,
    what: &'static str,
    page: &'static str,
    look: fn(&BundleReading<'_>) -> Vec<Evidence>,
}

const RULES: &[Rule] = &[
    rule(
        "disk-full",
        Severity::Error,
        "A filesystem is full, or the kubelet reports pressure on it",
        "field/runbooks/full-disk",
        hosts::disk,
    ),
    rule("disk-fault", Severity::Error, "A disk or its filesystem reports errors", "field/events", hosts::disk_fault),
    rule(
        "certificate",
        Severity::Error,
        "A certificate cannot be used, or ends within two weeks",
        "field/runbooks/certificate",
        hosts::certificates,
    ),
    rule("clock", Severity::Error, "The clock is wrong", "field/runbooks/wrong-clock", hosts::clock),
    rule("service", Severity::Error, "One of Landfall's services does not run", "operate/services", hosts::services),
    rule(
        "service-restarts",
        Severity::Warning,
        "systemd restarts one of Landfall's services again and again",
        "operate/services",
        hosts::restarts,
    ),
    rule(
        "firewall",
        Severity::Error,
        "Service addresses do not answer on the host",
        "field/travel",
        hosts::service_addresses,
    ),
    rule(
        "firewall-closed",
        Severity::Warning,
        "The host's packet filter drops what it does not accept, and accepts nothing from pods",
        "field/travel",
        hosts::closed_chains,
    ),
    rule("operation", Severity::Error, "An operation is open or stuck", "field/events", site::operation),
    rule("cluster", Severity::Error, "The cluster does not answer", "operate/look-around", site::cluster),
    rule("node", Severity::Error, "A node is not ready", "operate/look-around", site::nodes),
    rule(
        "registry",
        Severity::Error,
        "The site's registry does not answer, or lacks blobs",
        "field/events",
        site::registry,
    ),
    rule("backup-failed", Severity::Error, "Backups cannot be made or read", "operate/backup", site::backup_failed),
    rule(
        "backup-old",
        Severity::Warning,
        "No proven backup is newer than two days",
        "operate/backup",
        site::backup_old,
    ),
    rule(
        "license",
        Severity::Warning,
        "The license has ended, ends soon, or does not include what is installed",
        "field/runbooks/expired-license",
        site::license,
    ),
    rule("proof", Severity::Error, "A proof of the release fails", "operate/look-around", site::proofs),
    rule("etcd-full", Severity::Error, "etcd refuses to write, or will soon", "operate/look-around", site::etcd_full),
    rule("etcd-slow", Severity::Warning, "etcd waits for its disk", "field/travel", site::etcd_slow),
    rule("image", Severity::Error, "An image cannot be pulled", "field/events", pods::images),
    rule("crash", Severity::Error, "A container crashes again and again", "field/events", pods::crashes),
    rule(
        "memory",
        Severity::Error,
        "A container or process was killed because memory ran out",
        "field/events",
        pods::out_of_memory,
    ),
    rule("claim", Severity::Error, "A claim has no volume", "field/events", pods::claims),
    rule("scheduling", Severity::Error, "A pod fits on no node", "field/events", pods::unschedulable),
    rule(
        "nameserver",
        Severity::Warning,
        "The cluster's nameserver does not run, or its own nameservers do not answer",
        "operate/services",
        pods::nameserver,
    ),
];

const fn rule(
    name: &'static str,
    severity: Severity,
    what: &'static str,
    page: &'static str,
    look: fn(&BundleReading<'_>) -> Vec<Evidence>,
) -> Rule {
    Rule { name, severity, what, page, look }
}

/// Analyzes a bundle.
pub fn analyze(contents: &Contents) -> Analysis {
    let reading = BundleReading::of(contents);
    let mut observations: Vec<_> = RULES.iter().filter_map(|rule| find_observation(rule, &reading)).collect();
    observations.sort_by_key(|observation| observation.severity);
    let index = &contents.index;
    let failures = |one: &crate::index::CollectorRecord| {
        one.failures
            .iter()
            .map(|failure| evidence::quote_shortened(&format!("{}: {failure}", one.name)))
            .collect::<Vec<_>>()
    };
    Analysis {
        collected_at: evidence::quote_shortened(&index.collected_at),
        landfall: evidence::quote_shortened(&index.landfall),
        files: index.files.len(),
        observations,
        gaps: index.collectors.iter().flat_map(failures).take(MAX_GAPS).collect(),
    }
}

/// Maximum number of reported gaps.
const MAX_GAPS: usize = 50;

fn find_observation(rule: &Rule, reading: &BundleReading<'_>) -> Option<Observation> {
    let mut evidence = (rule.look)(reading);
    let more = evidence.len().saturating_sub(MAX_EVIDENCE);
    evidence.truncate(MAX_EVIDENCE);
    let Rule { name, severity, what, page, .. } = *rule;
    (!evidence.is_empty()).then_some(Observation { rule: name, severity, what, evidence, more, page })
}
