//! `landfall license import`, `show` and `confirm-date`: manage the license of this site.

use std::fmt::Write;

use landfall_documents::license::{LicenseReport, LicenseStatus, LicenseTerms};
use landfall_lifecycle::operations::ConfirmedDate;
use schemars::JsonSchema;
use serde::Serialize;

use super::entitlements_text;
use crate::cli::LicenseImportArguments;
use crate::commands::site::operations_of_root;
use crate::document::Document;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;

/// License status of a site after an import.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct LicenseImport(LicenseStatus);

impl Document for LicenseImport {
    const KIND: &'static str = "licenseImport";
}

impl Document for LicenseReport {
    const KIND: &'static str = "licenseStatus";
}

impl Document for ConfirmedDate {
    const KIND: &'static str = "dateConfirmation";
}

/// Imports a license.
pub(super) fn import(arguments: &LicenseImportArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    let imported = LicenseImport(operations.import_license(&arguments.license)?);
    printer.report(&imported, |LicenseImport(status)| status_text(status))?;
    Ok(())
}

/// Shows the license of this site.
pub(super) fn show(printer: Printer) -> Result<(), Failure> {
    let report = operations_of_root(printer)?.license_report()?;
    printer.report(&report, report_text)?;
    Ok(())
}

/// Confirms the date.
pub(super) fn confirm_date(printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    logging::keep(&operations.paths.logs(), "confirm-date");
    printer.report(&operations.confirm_date()?, confirmed_text)?;
    Ok(())
}

fn confirmed_text(date: &ConfirmedDate) -> String {
    match (&date.before, &date.after) {
        (Some(before), Some(after)) => format!("licenses are judged by {after} from now on; before, by {before}"),
        _ => "this site keeps no date: it has no license".to_owned(),
    }
}

fn report_text(report: &LicenseReport) -> String {
    let mut text = match &report.license {
        Some(status) => status_text(status),
        None => "this site has no license, and needs none".to_owned(),
    };
    text.push_str("\n\nwhat identifies this site, for the vendor who binds a license to it:\n");
    for identifier in &report.identifiers {
        let _infallible = writeln!(text, "  {identifier}");
    }
    if let Some(key) = &report.site_key {
        let _infallible = writeln!(text, "\nthe key by which this site signs its reports of usage:\n  {key}");
    }
    text
}

fn status_text(status: &LicenseStatus) -> String {
    let mut text = match &status.terms {
        Some(terms) => terms_text(terms),
        None => "this site has no license\n".to_owned(),
    };
    for need in &status.needs {
        let granted = if need.granted { "granted" } else { "not granted" };
        let _infallible = writeln!(text, "component {} needs {}: {granted}", need.component, need.entitlement);
    }
    if let Some(date) = &status.date {
        let _infallible = writeln!(text, "judged by the date {}", date.now);
    }
    for note in &status.notes {
        let _infallible = writeln!(text, "note: {note}");
    }
    text.trim_end().to_owned()
}

fn terms_text(terms: &LicenseTerms) -> String {
    let LicenseTerms { id, vendor, customer, contact, text, .. } = terms;
    let entitlements = entitlements_text(&terms.entitlements, terms.overage_percent);
    format!("license {id} of {vendor} for {customer}: {text}\n  questions to {contact}\n{entitlements}")
}

/// The line about the license in `status`.
pub(crate) fn line(status: &LicenseStatus) -> String {
    let lacking = status.needs.iter().filter(|need| !need.granted).map(|need| need.component.as_str());
    let lacking: Vec<&str> = lacking.collect();
    let license = match &status.terms {
        Some(terms) => format!("{} for {}: {}", terms.id, terms.customer, terms.text),
        None => "none".to_owned(),
    };
    if lacking.is_empty() {
        return license;
    }
    format!("{license}; it does not allow installs or upgrades of: {}", lacking.join(", "))
}

#[cfg(test)]
mod tests {
    use landfall_lifecycle::operations::status::sample;

    use super::*;

    #[test]
    fn site_shows_license_and_identifiers() {
        let identifiers = vec!["cluster:00112233445566778899aabbccddeeff".to_owned()];
        let mut report = LicenseReport { license: Some(sample::license()), identifiers, site_key: None };
        insta::assert_snapshot!(report_text(&report), @r"
        license acme-1 of Example for Acme: valid; it ends in 11 days, on 2026-12-01T00:00:00Z
          questions to licenses@example.com
          components     assistant
          features       none
          nodes          3
        component assistant needs assistant: granted
        judged by the date 2026-11-20T08:00:00Z

        what identifies this site, for the vendor who binds a license to it:
          cluster:00112233445566778899aabbccddeeff
        ");
        report.site_key = Some("0123".to_owned());
        assert!(report_text(&report).ends_with("reports of usage:\n  0123\n"));
        report.license = None;
        assert!(report_text(&report).starts_with("this site has no license, and needs none\n"));
    }

    #[test]
    fn status_line_names_blocked_components() {
        let mut status = sample::license();
        insta::assert_snapshot!(line(&status), @"acme-1 for Acme: valid; it ends in 11 days, on 2026-12-01T00:00:00Z");
        (status.terms, status.needs[0].granted) = (None, false);
        insta::assert_snapshot!(line(&status), @"none; it does not allow installs or upgrades of: assistant");
    }

    #[test]
    fn confirmation_names_both_dates() {
        let date = |text: &str| Some(text.to_owned());
        let confirmed = ConfirmedDate { before: date("A"), after: date("B") };
        assert_eq!(confirmed_text(&confirmed), "licenses are judged by B from now on; before, by A");
        assert!(confirmed_text(&ConfirmedDate { before: None, after: None }).contains("keeps no date"));
    }
}
