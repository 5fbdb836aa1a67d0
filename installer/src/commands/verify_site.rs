//! `landfall verify --site`: every byte that is staged on this machine, against the release's signature.

use indicatif::HumanBytes;
use landfall_lifecycle::operations::SiteVerification;

use super::site::operations_of_root;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

impl Document for SiteVerification {
    const KIND: &'static str = "verifySite";
}

/// Verifies what is staged.
pub(crate) fn run(printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    printer.report(&operations.verify_site()?, |found| {
        format!("verified: {}\n{} in {} blobs, every byte", found.release, HumanBytes(found.bytes), found.blobs)
    })?;
    Ok(())
}
