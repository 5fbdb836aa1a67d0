//! `landfall preflight`: shows everything that would block an installation, on any machine that has the facts. It
//! prints the findings of `install`, and writes only the requested files.

mod page;
mod script;
mod text;

use std::path::Path;
use std::process::ExitCode;

use landfall_host::facts::Topic;
use landfall_lifecycle::operations::{PreflightReport, PreflightRequest};
use landfall_site::findings::Finding;

use super::pages;
use super::site::operations;
use crate::cli::PreflightArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::secrets;

impl Document for PreflightReport {
    const KIND: &'static str = "preflight";
}

/// Prints the findings, and writes the requested files. The exit code shows if anything blocks.
pub(crate) fn run(arguments: PreflightArguments, printer: Printer) -> Result<ExitCode, Failure> {
    let request = PreflightRequest {
        bundle: arguments.bundle,
        trust: arguments.trust.trust,
        site: arguments.site,
        license: arguments.license,
        facts: arguments.facts,
        accept: arguments.accept.accept,
        secrets: secrets::noninteractive_secrets(arguments.secrets),
    };
    let files = [&arguments.html, &arguments.fix_script];
    files.into_iter().flatten().try_for_each(|path| pages::refuse_unwritable(path))?;
    let report = operations(printer).preflight(&request)?;
    let written = write(&report, arguments.html.as_deref(), arguments.fix_script.as_deref(), printer);
    printer.apply_verdict(written.and(printer.report(&report, text::text)), report.exit_code())
}

/// Writes the requested files.
fn write(
    report: &PreflightReport,
    html: Option<&Path>,
    script: Option<&Path>,
    printer: Printer,
) -> Result<(), Failure> {
    if let Some(path) = html {
        pages::write(path, &page::page(report)?, printer)?;
    }
    if let Some(path) = script {
        pages::write(path, &script::script(report), printer)?;
    }
    Ok(())
}

/// A finding with its number, counted from 1: its rank in the recommended order.
type NumberedFinding<'a> = (usize, &'a Finding);

/// Findings by topic; the topic with the most urgent finding comes first.
fn by_topic(findings: &[Finding]) -> Vec<(Topic, Vec<NumberedFinding<'_>>)> {
    let mut topics: Vec<(Topic, Vec<NumberedFinding<'_>>)> = Vec::new();
    for (finding, number) in findings.iter().zip(1..) {
        match topics.iter_mut().find(|(topic, _)| *topic == finding.topic) {
            Some((_, listed)) => listed.push((number, finding)),
            None => topics.push((finding.topic, vec![(number, finding)])),
        }
    }
    topics
}

/// `1 blocker`, `2 blockers`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Text that says if an installation would start.
fn verdict(report: &PreflightReport) -> &'static str {
    match (report.blockers, report.unaccepted) {
        (0, 0) => "nothing blocks an installation",
        (0, _) => "an installation waits until warnings are accepted",
        _ => "an installation is blocked",
    }
}

/// Number of findings of each kind.
fn counts(report: &PreflightReport) -> String {
    let PreflightReport { blockers, unaccepted, warnings, unknown, passed, .. } = report;
    let to_accept = if *unaccepted > 0 { format!(" ({unaccepted} to accept)") } else { String::new() };
    let unknown = if *unknown > 0 { format!(", {unknown} not known") } else { String::new() };
    format!("{}, {}{to_accept}{unknown}, {passed} passed", count(*blockers, "blocker"), count(*warnings, "warning"))
}

#[cfg(test)]
mod tests;
