//! `landfall plan`, and `landfall install --dry-run`: show what an installation does and takes, here or on a host
//! described by a file of facts. Only the requested page is written.

mod page;
mod text;

use std::path::Path;

use landfall_documents::warning::AcceptedWarning;
use landfall_engine::plan::Plan;
use landfall_host::facts::Facts;
use landfall_lifecycle::operations::{InstallRequest, Operations, PlannedInstall};
use landfall_lifecycle::plan::figures::PlanFigures;
use landfall_lifecycle::steps::action::Action;
use landfall_site::configuration::ResolvedValues;
use schemars::JsonSchema;
use serde::Serialize;

use super::install::{note_what_to_know, refusal};
use super::pages;
use super::site::operations;
use crate::cli::PlanArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::secrets;

/// Output of a dry run.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DryRun<'a> {
    /// ID of the bundle.
    bundle: String,
    /// True if its root is for development only.
    development: bool,
    /// Facts on which the plan is based.
    facts: &'a Facts,
    /// Accepted warnings.
    accepted: &'a [AcceptedWarning],
    /// Figures of the release's models for this host, by the names of its values: from the site configuration if set
    /// there, otherwise from the fit.
    fitted: &'a ResolvedValues,
    /// Time and space that the plan takes.
    figures: &'a PlanFigures,
    /// Planned steps, with each action as the journal would keep it.
    #[schemars(with = "Plan<serde_json::Value>")]
    plan: &'a Plan<Action>,
}

impl Document for DryRun<'_> {
    const KIND: &'static str = "dryRun";
}

/// Makes and prints the plan.
pub(crate) fn run(arguments: PlanArguments, printer: Printer) -> Result<(), Failure> {
    let request = InstallRequest {
        bundle: arguments.bundle,
        trust: arguments.trust.trust,
        site: arguments.site,
        adopt_data: false,
        license: arguments.license,
        accept: arguments.accept.accept,
        secrets: secrets::noninteractive_secrets(arguments.secrets),
    };
    show(&operations(printer), &request, arguments.facts.as_deref(), arguments.html.as_deref(), printer)
}

/// Plans the install for this host, or for the one that the facts describe, and prints it. The page is synced to disk
/// on return.
pub(super) fn show(
    operations: &Operations,
    request: &InstallRequest,
    facts: Option<&Path>,
    html: Option<&Path>,
    printer: Printer,
) -> Result<(), Failure> {
    html.map_or(Ok(()), pages::refuse_unwritable)?;
    if let Some(facts) = facts {
        let planned = operations.plan_install_from(request, facts).map_err(refusal)?;
        return print(&planned, html, printer);
    }
    let prepared = operations.prepare_install(request).map_err(refusal)?;
    print(prepared.planned_install(), html, printer)
}

fn print(planned: &PlannedInstall, html: Option<&Path>, printer: Printer) -> Result<(), Failure> {
    note_what_to_know(planned, printer);
    let verified = &planned.release().verified;
    let figures = planned.figures()?;
    let dry_run = DryRun {
        bundle: verified.id().to_string(),
        development: verified.trusted_root().development(),
        facts: planned.facts(),
        accepted: planned.accepted_warnings(),
        fitted: planned.model_figures(),
        figures: &figures,
        plan: planned.plan(),
    };
    if let Some(path) = html {
        pages::write(path, &page::page(&dry_run)?, printer)?;
    }
    printer.report(&dry_run, text::text)?;
    Ok(())
}

#[cfg(test)]
mod tests;
