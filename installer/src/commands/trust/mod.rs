//! `landfall trust`: manages keys and roles. Documents are made unsigned, signed by one person after the other on any
//! machine, and become valid once enough have signed.

pub(crate) mod change;
mod document;
pub(crate) mod revoke;
pub(crate) mod show;
pub(crate) mod sign;

use landfall_error_codes::codes;
use landfall_lifecycle::operations::Operations;
use schemars::JsonSchema;
use serde::Serialize;

use super::site::operations_of_root;
use crate::cli::{TrustCommand, TrustImportArguments};
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// Runs a `trust` command.
pub(crate) fn run(command: TrustCommand, printer: Printer) -> Result<(), Failure> {
    match command {
        TrustCommand::Init(arguments) => change::init(&arguments, printer),
        TrustCommand::Rotate(arguments) => change::rotate(&arguments, printer),
        TrustCommand::Revoke(arguments) => revoke::run(&arguments, printer),
        TrustCommand::Sign(arguments) => sign::run(&arguments, printer),
        TrustCommand::Show(arguments) => show::run(&arguments, printer),
        TrustCommand::Import(arguments) => import(&arguments, printer),
    }
}

/// Revocation that a site knows after an import.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TrustImport {
    /// Number of the revocation.
    number: u64,
    /// Number of revoked releases.
    releases: usize,
    /// Number of revoked licenses.
    licenses: usize,
}

impl Document for TrustImport {
    const KIND: &'static str = "trustImport";
}

fn import(arguments: &TrustImportArguments, printer: Printer) -> Result<(), Failure> {
    let operations: Operations = operations_of_root(printer)?;
    let given = document::read_revocation(&arguments.revocation)?;
    let known = operations.import_revocation(&arguments.revocation)?;
    if known.number() > given.number() {
        let what = format!("this site knows revocation {}, which is newer than {}", known.number(), given.number());
        return Err(Failure::new(codes::REVOCATION_OLDER, what));
    }
    let (releases, licenses) = (known.releases().len(), known.licenses().len());
    let imported = TrustImport { number: known.number(), releases, licenses };
    printer.report(&imported, |imported| {
        let TrustImport { number, releases, licenses } = imported;
        let licenses = if *licenses > 0 { format!("; {licenses} license(s) no longer count") } else { String::new() };
        format!("revocation {number} counts here: {releases} release(s) can no longer be installed{licenses}")
    })?;
    Ok(())
}
