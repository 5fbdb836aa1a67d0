//! `landfall verify --installed`: verifies every staged byte on this machine against the release's signature.

use indicatif::HumanBytes;
use landfall_lifecycle::operations::SiteVerification;

use super::site::operations_of_root;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

impl Document for SiteVerification {
    const KIND: &'static str = "verifySite";
}

/// Verifies the staged bytes.
pub(crate) fn run(printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    printer.report(&operations.verify_site()?, |found| {
        let rollback = found.rollback.as_ref().map(|release| format!(", and {release} for a rollback"));
        let (release, rollback) = (&found.release, rollback.unwrap_or_default());
        format!("verified: {release}{rollback}\n{} in {} blobs, every byte", HumanBytes(found.bytes), found.blobs)
    })?;
    Ok(())
}
