//! `landfall license`: a vendor issues licenses, and a site imports and shows them. Running software never depends on a
//! license.

pub(crate) mod inspect;
pub(crate) mod issue;
pub(crate) mod report;
mod revoke;
pub(crate) mod site;
pub(crate) mod usage;

use std::fmt::Write;

use jiff::Timestamp;
use landfall_license::{Entitlements, Terms};

use crate::cli::LicenseCommand;
use crate::failure::Failure;
use crate::printer::Printer;

/// Runs a `license` command.
pub(crate) fn run(command: LicenseCommand, printer: Printer) -> Result<(), Failure> {
    match command {
        LicenseCommand::Issue(arguments) => issue::run(&arguments, printer),
        LicenseCommand::Revoke(arguments) => revoke::run(&arguments, printer),
        LicenseCommand::Inspect(arguments) => inspect::run(&arguments, printer),
        LicenseCommand::Import(arguments) => site::import(&arguments, printer),
        LicenseCommand::Show => site::show(printer),
        LicenseCommand::Usage => usage::run(printer),
        LicenseCommand::Report(arguments) => report::write(&arguments, printer),
        LicenseCommand::CheckReport(arguments) => report::check(&arguments, printer),
        LicenseCommand::ConfirmDate => site::confirm_date(printer),
    }
}

fn time(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// Entitlements for a person, one per line; limits with their overage.
fn entitlements_text(entitlements: &Entitlements, overage_percent: u64) -> String {
    let Entitlements { components, features, namespaces, nodes, gpus, users, newest_release } = entitlements;
    let mut text = String::new();
    for (what, names) in [("components", components), ("features", features)] {
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let _infallible = writeln!(text, "  {what:<14} {names}");
    }
    for (what, limit) in [("namespaces", namespaces), ("nodes", nodes), ("GPUs", gpus), ("users", users)] {
        let Some(limit) = limit else { continue };
        let most = Terms::limit_with_overage(*limit, overage_percent);
        let overage = if most > *limit { format!(" (up to {most} with the overage)") } else { String::new() };
        let _infallible = writeln!(text, "  {what:<14} {limit}{overage}");
    }
    if let Some(newest) = newest_release {
        let _infallible = writeln!(text, "  {:<14} built until {}", "releases", time(*newest));
    }
    text
}
