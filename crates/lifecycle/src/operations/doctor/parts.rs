//! Problems of running parts, from the status of each. Causes precede their effects, so a full disk precedes the pods
//! that it stops.

use landfall_documents::backups::BackupsStatus;
use landfall_documents::status::{ComponentStatus, SiteState, StatusReport, Verdict};

use super::Problem;
use super::host::of_recorded;

pub(super) fn problems(report: &StatusReport) -> Vec<Problem> {
    let mut problems = Vec::from_iter(operation(report));
    if report.state == SiteState::Absent {
        let next = "Run `landfall preflight BUNDLE`, then `landfall install BUNDLE`.";
        problems.push(Problem::blocker("release", "no release is installed on this machine", next));
        return problems;
    }
    problems.extend(host_parts(report));
    problems.extend(firewall(report));
    problems.extend(cluster_parts(report));
    problems.extend(report.components.iter().filter_map(component));
    problems.extend(backups(report));
    problems.extend(advisories(report));
    problems
}

/// Returns the open operation, with the error that stopped it.
fn operation(report: &StatusReport) -> Option<Problem> {
    let step = report.operation.as_ref().and_then(|operation| operation.step.as_ref());
    let what = match (report.state, report.verdict) {
        (SiteState::Absent | SiteState::Installed, _) => return None,
        (SiteState::Installing | SiteState::Changing | SiteState::Uninstalling, _) => {
            let next = "Wait until it ends; `landfall status --watch` shows how far it is.";
            return Some(Problem::blocker("operation", "an operation runs", next));
        }
        (_, Verdict::Stuck) => "an operation was interrupted, and cannot continue until a person removes the cause",
        _ => "an operation was interrupted",
    };
    if let Some(failure) = step.and_then(|step| step.failure.as_ref()) {
        return Some(of_recorded("operation", failure));
    }
    let next = match report.state {
        SiteState::UninstallInterrupted => "Run `landfall uninstall`, which continues.",
        _ => "Run `landfall resume`, which finishes it or undoes it.",
    };
    let blocked = step.and_then(|step| step.blocked.as_ref()).map(|found| format!(": it found {found}"));
    Some(Problem::blocker("operation", format!("{what}{}", blocked.unwrap_or_default()), next))
}

/// Returns problems of the host's own parts, on which everything else depends.
fn host_parts(report: &StatusReport) -> Vec<Problem> {
    let disk = report.disk.as_ref().map(|one| (one.ready, &one.reason));
    let clock = report.clock.as_ref().map(|one| (one.ready, &one.reason));
    let certificates = report.certificates.as_ref().map(|one| (one.ready, &one.reason));
    let agent = report.agent.as_ref().map(|one| (one.ready, &one.reason));
    let etcd = report.etcd.as_ref().map(|one| (one.ready, &one.reason));
    let parts = [
        (
            "disk",
            disk,
            "Free space on the disk of the data folder: `landfall replaced-data list` and `journalctl \
             --vacuum-size=200M` help.",
        ),
        ("clock", clock, "Set the clock: `timedatectl set-time 'YYYY-MM-DD HH:MM:SS'`."),
        (
            "certificates",
            certificates,
            "Check the clock first; then run `systemctl restart landfall-agent`, which renews what has ended.",
        ),
        (
            "agent",
            agent,
            "Read `journalctl --unit landfall-agent --unit landfall-kubelet`, then run `systemctl restart \
             landfall-agent`.",
        ),
        (
            "etcd",
            etcd,
            "Find out what writes so much: `landfall events` and `landfall kubectl get events --all-namespaces`. If \
             etcd is full, free its space: `landfall handbook field/runbooks/full-etcd`.",
        ),
    ];
    parts.into_iter().filter_map(|(name, part, next)| lacking(name, part, next)).collect()
}

/// Returns the problem of a part that is not ready, or that an installed site lacks.
fn lacking(name: &str, part: Option<(bool, &Option<String>)>, next: &str) -> Option<Problem> {
    match part {
        Some((true, _)) | None => None,
        Some((false, reason)) => {
            let reason = reason.as_deref().unwrap_or("it is not ready");
            Some(Problem::blocker(name, format!("{name}: {reason}"), next))
        }
    }
}

fn firewall(report: &StatusReport) -> Option<Problem> {
    let firewall = report.firewall.as_ref().filter(|firewall| !firewall.ready)?;
    let what = firewall.reason.as_deref().unwrap_or("it keeps pods from each other");
    let next = "Open the firewall for the cluster's networks.";
    let problem = Problem::blocker("firewall", format!("firewall: {what}"), next);
    Some(Problem { commands: firewall.commands.clone(), ..problem })
}

/// Returns the API server's reports, or its silence.
fn cluster_parts(report: &StatusReport) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(silence) = &report.cluster_silence {
        let next = "Read `journalctl --unit landfall-kubelet` and `landfall support collect` for the logs of the \
            control plane.";
        problems.push(Problem::blocker("cluster", silence, next));
    }
    for node in report.nodes.iter().filter(|node| !node.ready) {
        let reason = node.reason.as_deref().unwrap_or("it is not ready");
        let next = "After a boot, wait three minutes; then read `journalctl --unit landfall-kubelet`.";
        problems.push(Problem::blocker("node", format!("node {}: {reason}", node.name), next));
    }
    let addresses = report.service_addresses.as_ref().map(|one| (one.ready, &one.reason));
    let next = "Run `systemctl restart landfall-agent`, which restores the cluster's rules of the packet filter.";
    problems.extend(lacking("service-addresses", addresses, next));
    let registry = report.registry.as_ref().map(|one| (one.ready, &one.reason));
    let next = "Run `landfall verify --installed`, which checks what the registry serves, and `landfall events`.";
    problems.extend(lacking("registry", registry, next));
    problems
}

fn component(component: &ComponentStatus) -> Option<Problem> {
    if component.reasons.is_empty() && component.ready == component.total {
        return None;
    }
    let name = &component.component;
    let count = format!("component {name}: {} of {} objects are ready", component.ready, component.total);
    let what: Vec<&str> = [&count].into_iter().chain(&component.reasons).map(String::as_str).collect();
    let next = format!("Run `landfall events {name}` and `landfall logs {name} --tail 50`.");
    Some(Problem::blocker("component", what.join("; "), next))
}

/// Returns problems of backups that would surface only on a restore.
fn backups(report: &StatusReport) -> Option<Problem> {
    if let Some(what) = &report.no_backup {
        return Some(Problem::warning("backups", what, "Run `landfall backup run`."));
    }
    let BackupsStatus { count, newest_proven, reason, .. } = report.backups.as_ref()?;
    if let Some(reason) = reason {
        let next = "Mount the disk of the backups, or restore the named file; then run `landfall backup check`.";
        return Some(Problem::warning("backups", format!("the backups cannot be read: {reason}"), next));
    }
    (*count > 0 && newest_proven.is_none()).then(|| {
        let what = "no backup is proven: whether one can be restored is not known";
        Problem::warning("backups", what, "Run `landfall drill`.")
    })
}

/// Returns problems that never make a site unready.
fn advisories(report: &StatusReport) -> Vec<Problem> {
    let mut problems = Vec::new();
    for copy in report.backups.iter().flat_map(|backups| &backups.copies) {
        let what = match (&copy.reason, &copy.tried) {
            (Some(reason), _) => {
                format!("the latest copy of the backups to {} failed: {reason}", copy.folder.display())
            }
            (None, None) => format!("there is no copy of the backups at {} yet", copy.folder.display()),
            _ => continue,
        };
        problems.push(Problem::warning(
            "backup-copy",
            what,
            "Run `landfall backup copy` once the place can be written.",
        ));
    }
    for log in report.backups.iter().flat_map(|backups| &backups.logs) {
        let Some(reason) = &log.reason else { continue };
        let what = format!("the latest log backup of {} failed: {reason}", log.stream);
        problems.push(Problem::warning(
            "backup-log",
            what,
            "Run `landfall backup run`, which begins points in time again.",
        ));
    }
    for gpu in report.gpus.iter().flat_map(|gpus| &gpus.devices) {
        for problem in &gpu.problems {
            let next = "Read `nvidia-smi` and the kernel's log; GPU.md says what each fault means.";
            problems.push(Problem::warning("gpu", format!("GPU {}: it {problem}", gpu.index), next));
        }
    }
    for model in report.models.iter().filter_map(|model| Some((&model.name, model.reason.as_ref()?))) {
        let next = "Ask the vendor for a release that fits this machine, or add what the message names.";
        problems.push(Problem::warning("model", format!("model {} does not fit: {}", model.0, model.1), next));
    }
    if let Some(terms) = report.license.as_ref().and_then(|license| license.terms.as_ref())
        && terms.standing != "valid"
    {
        let next = format!("Ask {} for a new license, then run `landfall license import FILE`.", terms.contact);
        problems.push(Problem::warning("license", format!("license: {}", terms.text), next));
    }
    problems
}
