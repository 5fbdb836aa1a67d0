//! `landfall license issue`: makes a license from its description.

use std::path::PathBuf;

use landfall_builder::IssueOptions;
use landfall_media::durable;
use schemars::JsonSchema;
use serde::Serialize;

use super::time;
use crate::cli::LicenseIssueArguments;
use crate::commands::key;
use crate::commands::source_date;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// Issued license.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IssuedLicense {
    /// File of the license.
    license: PathBuf,
    /// ID of the license.
    id: String,
    /// Customer to whom it was issued.
    customer: String,
    /// End of its validity, RFC 3339 in UTC; null if it does not end.
    ends: Option<String>,
    /// True if the license is bound to a site.
    bound: bool,
    /// IDs of the keys that signed.
    signed_by: Vec<String>,
}

impl Document for IssuedLicense {
    const KIND: &'static str = "licenseIssue";
}

/// Issues a license.
pub(super) fn run(arguments: &LicenseIssueArguments, printer: Printer) -> Result<(), Failure> {
    let options = IssueOptions {
        description: arguments.description.clone(),
        roots: arguments.roots.clone(),
        sign_commands: arguments.sign_command.clone(),
        issued: source_date::now()?,
    };
    let sealed = landfall_builder::issue(&options, &key::read(&arguments.key)?)?;
    // It was verified when it was made.
    let terms = sealed.untrusted_terms()?;
    let path = arguments.output.join(format!("{}.license", terms.id));
    key::refuse_to_overwrite(&path)?;
    durable::create_folder(&arguments.output)?;
    key::write_new(&path, sealed.bytes(), 0o644)?;
    let issued = IssuedLicense {
        license: path,
        customer: terms.customer.clone(),
        ends: terms.ends.map(time),
        bound: terms.binding.is_some(),
        signed_by: sealed.claimed_signers().iter().map(ToString::to_string).collect(),
        id: terms.id,
    };
    printer.report(&issued, text)?;
    Ok(())
}

fn text(issued: &IssuedLicense) -> String {
    let ends = issued.ends.as_ref().map_or_else(|| "without an end".to_owned(), |ends| format!("until {ends}"));
    let bound = if issued.bound { "" } else { "\nIt is bound to no site: every site that gets the file may use it." };
    format!(
        "license {} for {}, {ends}, is in {}\nsigned by {}{bound}",
        issued.id,
        issued.customer,
        issued.license.display(),
        issued.signed_by.join(", ")
    )
}
