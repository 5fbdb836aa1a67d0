//! `landfall install`: a bundle comes to this machine.

use std::fmt::Write;

use indicatif::{HumanBytes, HumanDuration};
use landfall_engine::plan::{Plan, Undo};
use landfall_lifecycle::operations::{InstallRequest, Installed, OperationError, PlannedInstall};
use landfall_lifecycle::preflight::Blocker;
use landfall_lifecycle::steps::action::Action;
use serde::Serialize;
use std::time::Duration;

use super::site::{DEVELOPMENT_NOTE, operations};
use crate::cli::InstallArguments;
use crate::failure::{Blocking, Failure};
use crate::logging;
use crate::printer::Printer;

/// What `--dry-run` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DryRun<'a> {
    bundle: String,
    development: bool,
    facts: &'a landfall_host::facts::Facts,
    plan: &'a Plan<Action>,
}

/// Installs, or prints the plan.
pub(crate) fn run(arguments: InstallArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations(printer);
    let request = InstallRequest { bundle: arguments.bundle, trust: arguments.trust.trust, site: arguments.site };
    if let Some(facts) = &arguments.facts {
        let planned = operations.plan_install_from(&request, facts).map_err(refusal)?;
        note_development(&planned, printer);
        print_plan(&planned, printer);
        return Ok(());
    }
    let prepared = operations.prepare_install(&request).map_err(refusal)?;
    note_development(prepared.planned(), printer);
    if arguments.dry_run {
        print_plan(prepared.planned(), printer);
        return Ok(());
    }
    logging::keep(&operations.paths.logs(), "install");
    let installed = prepared.run()?;
    printer.report(&installed, summary);
    Ok(())
}

/// The failure, with every blocker of its own.
fn refusal(error: OperationError) -> Failure {
    let blocking = |blocker: &Blocker| Blocking {
        code: blocker.code,
        what: blocker.title,
        why: format!("{}; needed: {}", blocker.found, blocker.needed),
        next: blocker.fix.clone(),
    };
    let blockers = error.blockers().iter().map(blocking).collect();
    Failure::from(error).blocked_by(blockers)
}

fn note_development(planned: &PlannedInstall, printer: Printer) {
    if planned.release().verified.trusted().development() {
        printer.note(DEVELOPMENT_NOTE);
    }
}

fn print_plan(planned: &PlannedInstall, printer: Printer) {
    let verified = &planned.release().verified;
    let dry_run = DryRun {
        bundle: verified.id().to_string(),
        development: verified.trusted().development(),
        facts: planned.facts(),
        plan: planned.plan(),
    };
    printer.report(&dry_run, |dry_run| plan_text(dry_run.plan));
}

fn plan_text(plan: &Plan<Action>) -> String {
    let mut text = format!(
        "plan: install {} {}, {} steps; nothing is changed by printing it\n\n",
        plan.release,
        plan.version,
        plan.steps.len()
    );
    for (index, step) in plan.steps.iter().enumerate() {
        let mut remarks = vec![HumanDuration(Duration::from_secs(step.seconds.max(1))).to_string()];
        if step.bytes > 0 {
            remarks.insert(0, HumanBytes(step.bytes).to_string());
        }
        if step.undo == Undo::Irreversible {
            remarks.push("cannot be undone".to_owned());
        }
        let _infallible =
            writeln!(text, "{:>4}. {:<40} {:<56} {}", index + 1, step.id.to_string(), step.title, remarks.join(", "));
    }
    let (bytes, seconds) =
        plan.steps.iter().fold((0, 0), |(bytes, seconds), step| (bytes + step.bytes, seconds + step.seconds));
    let _infallible =
        writeln!(text, "\n{} to write, about {}", HumanBytes(bytes), HumanDuration(Duration::from_secs(seconds)));
    text
}

/// What a person wants to know after an install.
pub(crate) fn summary(installed: &Installed) -> String {
    let mut text = format!(
        "{} {} is installed on {} ({})\n",
        installed.release, installed.version, installed.node, installed.address
    );
    let _infallible = writeln!(text, "\nkubeconfig     {}", installed.kubeconfig.display());
    for service in &installed.services {
        let ports: Vec<String> = service.ports.iter().map(u64::to_string).collect();
        let address = service.address.as_deref().map(|address| format!(" ({address})")).unwrap_or_default();
        let (component, name, ports) = (&service.component, &service.name, ports.join(", "));
        let _infallible = writeln!(text, "{component:<14} {name}{address}, port {ports}");
    }
    for note in &installed.notes {
        let _infallible = writeln!(text, "note: {note}; `landfall status` tells why");
    }
    if !installed.secrets.is_empty() {
        let _infallible = writeln!(text, "\ngenerated secrets, readable by root:");
        for secret in &installed.secrets {
            let _infallible = writeln!(text, "  {}", secret.display());
        }
    }
    let _infallible = writeln!(text, "\n`landfall status` shows how everything is.");
    if installed.development {
        let _infallible = writeln!(text, "{DEVELOPMENT_NOTE}");
    }
    text
}
