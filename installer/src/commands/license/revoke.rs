//! `landfall license revoke`: the next revocation, still unsigned, with one license more.

use landfall_bundle_spec::trust::RevokedLicense;

use crate::cli::LicenseRevokeArguments;
use crate::commands::trust::revoke;
use crate::failure::Failure;
use crate::printer::Printer;

/// Makes the revocation after the one in the folder: everything that it names, and one license more.
pub(super) fn run(arguments: &LicenseRevokeArguments, printer: Printer) -> Result<(), Failure> {
    let license = RevokedLicense { id: arguments.id.clone(), reason: arguments.reason.clone() };
    revoke::next(&arguments.roots, None, Some(license), printer)
}
