//! `landfall status`: shows what runs here, and reasons for anything that does not.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;

use indicatif::HumanBytes;
use landfall_documents::backups::{BackupsStatus, CopyRecord};
use landfall_documents::operation::Operation;
use landfall_documents::status::{
    CertificatesStatus, GpuHolder, GpuStatus, GpusStatus, OperationStatus, RegistryStatus, SiteState, StatusReport,
    Verdict,
};
use landfall_documents::warning::AcceptedWarning;
use landfall_lifecycle::plan::gpu_resources::offer_text;

use super::site::{DEVELOPMENT_NOTE, operations_of_root};
use super::{license, watch};
use crate::cli::StatusArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;
use crate::terminal::{Terminal, Tone, Words};

/// Words whose color shows the state of the site, most severe first.
const WORDS: Words = &[
    ("not ready", Tone::Bad),
    ("not everything is ready", Tone::Bad),
    ("stuck", Tone::Bad),
    ("cannot be read", Tone::Bad),
    ("it failed", Tone::Bad),
    ("no backup", Tone::Attention),
    ("none is proven", Tone::Attention),
    ("interrupted", Tone::Attention),
    ("note:", Tone::Attention),
    ("everything is ready", Tone::Good),
    (" ready", Tone::Good),
];

impl Document for StatusReport {
    const KIND: &'static str = "status";
}

/// Prints the status; the exit code is that of its verdict.
pub(crate) fn run(arguments: &StatusArguments, printer: Printer) -> Result<ExitCode, Failure> {
    let operations = operations_of_root(printer)?;
    if arguments.watch {
        return watch::run(&operations, printer);
    }
    let report = operations.status()?;
    printer.apply_verdict(printer.page(&report, text, WORDS), report.verdict.exit_code())
}

/// The text as wrapped and colored for this terminal.
pub(super) fn laid_out(report: &StatusReport, terminal: &Terminal) -> String {
    terminal.laid_out(&shown::block(&text(report)), WORDS)
}

/// One line with the verdict and the parts that are not ready.
pub(super) fn summary(report: &StatusReport) -> String {
    let parts = lacking(report);
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    shown::line(&format!("{}{parts}", headline(report)))
}

/// Names of the parts that are not ready, as in the text.
fn lacking(report: &StatusReport) -> Vec<String> {
    let parts = [
        ("agent", report.agent.as_ref().map(|part| part.ready)),
        ("services", report.service_addresses.as_ref().map(|part| part.ready)),
        ("firewall", report.firewall.as_ref().map(|part| part.ready)),
        ("registry", report.registry.as_ref().map(|part| part.ready)),
        ("certs", report.certificates.as_ref().map(|part| part.ready)),
        ("clock", report.clock.as_ref().map(|part| part.ready)),
        ("disk", report.disk.as_ref().map(|part| part.ready)),
        ("etcd", report.etcd.as_ref().map(|part| part.ready)),
    ];
    let nodes = report.nodes.iter().filter(|node| !node.ready).map(|node| format!("node {}", node.name));
    let components = report.components.iter().filter(|one| !one.reasons.is_empty() || one.ready != one.total);
    let parts = parts.into_iter().filter(|(_, ready)| *ready == Some(false)).map(|(name, _)| name.to_owned());
    nodes.chain(components.map(|one| format!("component {}", one.component))).chain(parts).collect()
}

fn text(report: &StatusReport) -> String {
    let mut text = String::new();
    let _infallible = writeln!(text, "{}", headline(report));
    if let Some(release) = &report.release {
        let _infallible = writeln!(text, "  bundle {}, root {} ({})", release.bundle, release.root, release.trust);
        if release.development {
            let _infallible = writeln!(text, "  {DEVELOPMENT_NOTE}");
        }
    }
    for AcceptedWarning { name, message, measured, .. } in &report.accepted {
        let measured = if measured.is_empty() { String::new() } else { format!(": {measured}") };
        let _infallible = writeln!(text, "  accepted {}", shown::line(&format!("[{name}] {message}{measured}")));
    }
    if let Some(operation) = &report.operation {
        operation_text(&mut text, operation);
    }
    if !report.nodes.is_empty() {
        let _infallible = writeln!(text, "\n{:<28} {:<16} {:<12} state", "node", "address", "kubernetes");
    }
    for node in &report.nodes {
        let state = state_text(node.reason.as_deref());
        let _infallible = writeln!(text, "{:<28} {:<16} {:<12} {state}", node.name, node.address, node.kubernetes);
    }
    components_text(&mut text, report);
    if let Some(agent) = &report.agent {
        let _infallible = writeln!(text, "\nagent     {}", state_text(agent.reason.as_deref()));
    }
    if let Some(addresses) = &report.service_addresses {
        let _infallible = writeln!(text, "services  {}", state_text(addresses.reason.as_deref()));
    }
    if let Some(firewall) = &report.firewall {
        let _infallible = writeln!(text, "firewall  {}", state_text(firewall.reason.as_deref()));
    }
    if let Some(registry) = &report.registry {
        registry_text(&mut text, registry);
    }
    host_text(&mut text, report);
    for note in &report.notes {
        let _infallible = writeln!(text, "note: {note}");
    }
    text
}

/// Text about conditions of the host that may block readiness.
fn host_text(text: &mut String, report: &StatusReport) {
    if let Some(certificates) = &report.certificates {
        certificates_text(text, certificates);
    }
    if let Some(clock) = &report.clock {
        let state = state_text(clock.reason.as_deref());
        let _infallible = writeln!(text, "clock     {state}; {}", clock.now);
    }
    if let Some(reason) = &report.no_backup {
        let _infallible = writeln!(text, "backups   none: {reason}");
    }
    if let Some(backups) = report.backups.as_ref().filter(|_| report.no_backup.is_none()) {
        let _infallible = writeln!(text, "backups   {}", backups_text(backups));
    }
    if let Some(status) = &report.license {
        let _infallible = writeln!(text, "license   {}", license::site::line(status));
    }
    if let Some(gpus) = &report.gpus {
        gpus_text(text, gpus);
    }
    for model in &report.models {
        let how = model.profile.as_ref().or(model.reason.as_ref()).map_or("unknown", String::as_str);
        let state = if model.profile.is_some() { "" } else { "does not fit: " };
        let _infallible = writeln!(text, "model     {}: {state}{}", shown::line(&model.name), shown::line(how));
    }
    if let Some(disk) = &report.disk {
        let (free, total) = (HumanBytes(disk.free_bytes), HumanBytes(disk.total_bytes));
        let state = state_text(disk.reason.as_deref());
        let _infallible = writeln!(text, "disk      {state}; {free} of {total} free at {}", disk.folder.display());
    }
    if let Some(etcd) = &report.etcd {
        let (size, quota) = (HumanBytes(etcd.size_bytes), HumanBytes(etcd.quota_bytes));
        let _infallible = writeln!(text, "etcd      {}; {size} of {quota}", state_text(etcd.reason.as_deref()));
    }
    // A kubelet logs errors for anything that does not exist yet; they matter only if something is wrong.
    let error = report.agent.as_ref().and_then(|agent| agent.last_kubelet_error.as_deref());
    if let Some(error) = error.filter(|_| report.verdict != Verdict::Ready) {
        let _infallible = writeln!(text, "kubelet   its last error: {error}");
    }
}

/// Text about GPUs, one per line, with their holders and problems.
fn gpus_text(text: &mut String, gpus: &GpusStatus) {
    let driver = gpus.driver.as_deref().unwrap_or("unknown");
    let (state, age) = (state_text(gpus.reason.as_deref()), age_text(gpus.age_seconds));
    let _infallible = writeln!(text, "gpus      {state}; driver {driver}; as of {age}");
    for GpuStatus { index, model, total_bytes, used_bytes, parts, holders, problems } in &gpus.devices {
        let model = shown::line(model.as_deref().unwrap_or("unknown"));
        let memory = used_bytes.zip(*total_bytes);
        let memory = memory.map(|(used, total)| format!(", {} of {} in use", HumanBytes(used), HumanBytes(total)));
        let parts =
            if parts.is_empty() { String::new() } else { format!(", parts: {}", shown::line(&parts.join(", "))) };
        let _infallible = writeln!(text, "            GPU {index}: {model}{}{parts}", memory.unwrap_or_default());
        for holder in holders {
            let _infallible = writeln!(text, "              held by {}", shown::line(&holder_text(holder)));
        }
        for problem in problems {
            let _infallible = writeln!(text, "              it {problem}");
        }
    }
    if !gpus.offered.is_empty() {
        let _infallible = writeln!(text, "            the node offers {}", shown::line(&offer_text(&gpus.offered)));
    }
    for difference in &gpus.differences {
        let _infallible = writeln!(text, "            {}", shown::line(difference));
    }
}

/// Formats an age, such as `now` or `42 seconds ago`.
fn age_text(seconds: u64) -> String {
    match seconds {
        0 => "now".to_owned(),
        1 => "1 second ago".to_owned(),
        _ => format!("{seconds} seconds ago"),
    }
}

/// Formats a holder, such as `vllm (process 4242, pod inference/vllm-0), 1.95 GiB`.
fn holder_text(holder: &GpuHolder) -> String {
    let program = holder.program.as_deref().unwrap_or("a program that cannot be seen");
    let pod = holder.pod.as_ref().map(|pod| format!(", pod {pod}")).unwrap_or_default();
    let used = holder.used_bytes.map(|bytes| format!(", {}", HumanBytes(bytes))).unwrap_or_default();
    format!("{program} (process {}{pod}){used}", holder.pid)
}

/// Folder of most certificates, whose names are printed relative to it.
const KUBERNETES: &str = "/etc/kubernetes";

/// Maximum number of certificates that are named per day; `--json` names all.
const NAMED_CERTIFICATES: usize = 3;

fn certificates_text(text: &mut String, certificates: &CertificatesStatus) {
    let state = state_text(certificates.reason.as_deref());
    let ends = match (&certificates.soonest_end, certificates.days_left) {
        (Some(end), Some(1)) => format!("; the first ends on {end}, in 1 day"),
        (Some(end), Some(days)) if days >= 0 => format!("; the first ends on {end}, in {days} days"),
        (Some(end), _) => format!("; the first ended on {end}"),
        (None, _) => String::new(),
    };
    let _infallible = writeln!(text, "certs     {state}{ends}");
    // Most are issued together, so they end on the same day.
    let mut days: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for certificate in &certificates.certificates {
        let Some((day, _)) = certificate.ends.as_deref().and_then(|end| end.split_once('T')) else { continue };
        let name = certificate.file.strip_prefix(KUBERNETES).unwrap_or(&certificate.file);
        days.entry(day).or_default().push(name.display().to_string());
    }
    for (day, names) in days {
        let shown = names.iter().take(NAMED_CERTIFICATES).map(String::as_str).collect::<Vec<_>>().join(", ");
        let left = names.len().saturating_sub(NAMED_CERTIFICATES);
        let more = if left > 0 { format!(", and {left} more") } else { String::new() };
        let _infallible = writeln!(text, "            {day}  {shown}{more}");
    }
}

fn state_text(reason: Option<&str>) -> String {
    reason.map_or_else(|| "ready".to_owned(), |reason| format!("not ready: {reason}"))
}

fn headline(report: &StatusReport) -> String {
    let release =
        report.release.as_ref().map(|release| format!("{} {}", release.name, release.version)).unwrap_or_default();
    match report.state {
        SiteState::Absent => "absent: no release is installed on this machine".to_owned(),
        SiteState::Installing => format!("{release} is being installed"),
        SiteState::InstallInterrupted | SiteState::ChangeInterrupted | SiteState::UninstallInterrupted
            if report.verdict == Verdict::Stuck =>
        {
            format!("{release} is stuck: a person must remove what stopped it")
        }
        SiteState::InstallInterrupted => {
            format!("the install of {release} was interrupted; `landfall resume` continues")
        }
        SiteState::Installed if report.ready && report.no_backup.is_some() => {
            format!("{release} is installed, and everything runs, but it has no backup")
        }
        SiteState::Installed if report.ready => format!("{release} is installed, and everything is ready"),
        SiteState::Installed => format!("{release} is installed, and not everything is ready"),
        SiteState::Changing => {
            match report.operation.as_ref().and_then(|operation| Operation::named(&operation.operation)) {
                Some(Operation::Upgrade) => format!("this site is being upgraded to {release}"),
                Some(Operation::Rollback) => format!("this site is being returned to {release}"),
                Some(Operation::Restore) => format!("data of {release} is being restored"),
                _ => format!("settings of {release} are being changed"),
            }
        }
        SiteState::ChangeInterrupted => {
            format!("a change of {release} was interrupted; `landfall resume` finishes or undoes it")
        }
        SiteState::Unknown => format!("{release} is in a state that this version does not know"),
        SiteState::Uninstalling => format!("{release} is being uninstalled"),
        SiteState::UninstallInterrupted => {
            format!("the uninstall of {release} was interrupted; `landfall uninstall` continues")
        }
    }
}

fn operation_text(text: &mut String, operation: &OperationStatus) {
    let at = operation.at.as_deref().unwrap_or("an unknown time");
    let _infallible = writeln!(text, "  journal {}, record {} of {at}", operation.journal.display(), operation.record);
    if let Some(holder) = &operation.running {
        let _infallible = writeln!(text, "  {holder} is running");
    }
    let Some(step) = &operation.step else { return };
    let _infallible =
        writeln!(text, "  step {} of {}: {} ({}), {}", step.index, step.count, step.id, step.title, step.status);
    if let Some(blocked) = &step.blocked {
        let _infallible = writeln!(text, "  it found what is not Landfall's: {blocked}");
    }
    if let Some(failure) = &step.failure {
        let _infallible = writeln!(text, "  it failed [{}]: {}", failure.code, failure.what);
        for cause in &failure.causes {
            let _infallible = writeln!(text, "    because: {cause}");
        }
        let _infallible = writeln!(text, "    next: {}", failure.hint);
    }
}

fn components_text(text: &mut String, report: &StatusReport) {
    if report.components.is_empty() {
        return;
    }
    let _infallible = writeln!(text, "\n{:<28} {:<24} state", "component", "namespace");
    for component in &report.components {
        let is_ready = component.ready == component.total && component.reasons.is_empty();
        let state = if is_ready { "ready" } else { "not ready" };
        let count = format!("{} of {} objects", component.ready, component.total);
        let _infallible = writeln!(text, "{:<28} {:<24} {state}, {count}", component.component, component.namespace);
        for reason in &component.reasons {
            let _infallible = writeln!(text, "    {reason}");
        }
    }
}

fn registry_text(text: &mut String, registry: &RegistryStatus) {
    let state = state_text(registry.reason.as_deref());
    let size = HumanBytes(registry.staged_bytes);
    let (staged, all) = (registry.staged_blobs, registry.blobs);
    let _infallible = writeln!(text, "registry  {state} at {}; {staged} of {all} blobs, {size}", registry.address);
}

fn backups_text(backups: &BackupsStatus) -> String {
    // The notes mention failed tries, interrupted drills and backups with a future time.
    let BackupsStatus { count, newest, newest_proven, reason, copies, logs, .. } = backups;
    let mut text = match (reason, newest, newest_proven) {
        (Some(reason), ..) => format!("cannot be read: {reason}"),
        (None, None, _) => "none was made yet".to_owned(),
        (None, Some(_), Some(proven)) => format!("{count}; the newest proven one is of {proven}"),
        (None, Some(newest), None) => format!("{count}; none is proven; the newest is of {newest}"),
    };
    for CopyRecord { folder, tried, newest, reason, former_key } in copies {
        let newest =
            newest.as_ref().map_or_else(|| "no copy".to_owned(), |time| format!("the newest copy is of {time}"));
        let _infallible = write!(text, "\n            {}: {newest}", folder.display());
        match (tried, reason) {
            (Some(tried), Some(reason)) => {
                let _infallible = write!(text, "; {tried} failed: {reason}");
            }
            (None, _) => text.push_str(" yet"),
            _ => {}
        }
        if *former_key {
            text.push_str("; a former key of the backups still opens it, until the next copy");
        }
    }
    for log in logs {
        let until = log.until.as_ref().map_or_else(
            || "no point in time can be restored yet".to_owned(),
            |until| format!("points in time until {until} can be restored"),
        );
        let _infallible = write!(text, "\n            {}: {until}", log.stream);
        if let Some(reason) = &log.reason {
            let _infallible = write!(text, "; the latest log backup failed: {reason}");
        }
    }
    text
}

#[cfg(test)]
mod tests;
