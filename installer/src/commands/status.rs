//! `landfall status`: what runs here, and why not where it does not.

use std::fmt::Write;

use indicatif::HumanBytes;
use landfall_lifecycle::operations::{OperationStatus, RegistryStatus, SiteState, StatusReport};

use super::site::{DEVELOPMENT_NOTE, operations_of_root};
use crate::cli::StatusArguments;
use crate::failure::Failure;
use crate::printer::Printer;

/// Prints the status.
pub(crate) fn run(arguments: &StatusArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    if arguments.snapshot {
        let snapshot = operations.snapshot()?;
        // There is one form of it, which programs compare.
        Printer::new(true).report(&snapshot, |_| String::new());
        return Ok(());
    }
    printer.report(&operations.status()?, text);
    Ok(())
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
    if let Some(registry) = &report.registry {
        registry_text(&mut text, registry);
    }
    if let Some(disk) = &report.disk {
        let (free, total) = (HumanBytes(disk.free_bytes), HumanBytes(disk.total_bytes));
        let _infallible = writeln!(text, "disk      {free} of {total} free at {}", disk.folder.display());
    }
    for note in &report.notes {
        let _infallible = writeln!(text, "note: {note}");
    }
    text
}

fn state_text(reason: Option<&str>) -> String {
    reason.map_or_else(|| "ready".to_owned(), |reason| format!("not ready: {reason}"))
}

fn headline(report: &StatusReport) -> String {
    let release =
        report.release.as_ref().map(|release| format!("{} {}", release.name, release.version)).unwrap_or_default();
    match report.state {
        SiteState::Absent => "nothing is installed on this machine".to_owned(),
        SiteState::Installing => format!("{release} is being installed"),
        SiteState::InstallInterrupted => {
            format!("the install of {release} was interrupted; `landfall resume` continues")
        }
        SiteState::Installed if report.ready => format!("{release} is installed, and everything is ready"),
        SiteState::Installed => format!("{release} is installed, and not everything is ready"),
        SiteState::Uninstalling => format!("{release} is being taken back"),
        SiteState::UninstallInterrupted => {
            format!("the uninstall of {release} was interrupted; `landfall uninstall` continues")
        }
    }
}

fn operation_text(text: &mut String, operation: &OperationStatus) {
    let at = operation.at.as_deref().unwrap_or("an unknown time");
    let _infallible = writeln!(text, "  journal {}, record {} of {at}", operation.journal.display(), operation.record);
    if let Some(holder) = &operation.running {
        let _infallible = writeln!(text, "  {holder} is at work");
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
