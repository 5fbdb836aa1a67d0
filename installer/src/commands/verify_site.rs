//! `landfall verify --site`: every byte that is staged on this machine, against the release's signature.

use indicatif::HumanBytes;

use super::site::operations_of_root;
use crate::failure::Failure;
use crate::printer::Printer;

/// Verifies what is staged.
pub(crate) fn run(printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    printer.report(&operations.verify_site()?, |found| {
        format!("verified: {}\n{} in {} blobs, every byte", found.release, HumanBytes(found.bytes), found.blobs)
    });
    Ok(())
}
