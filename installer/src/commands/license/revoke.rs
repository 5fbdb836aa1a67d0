//! `landfall license revoke`: makes the next, unsigned revocation with a further license.

use landfall_bundle_spec::trust::RevokedLicense;

use crate::cli::LicenseRevokeArguments;
use crate::commands::trust::revoke;
use crate::failure::Failure;
use crate::printer::Printer;

/// Makes the revocation that follows the one in the folder, with its content and a further license.
pub(super) fn run(arguments: &LicenseRevokeArguments, printer: Printer) -> Result<(), Failure> {
    let license = RevokedLicense { id: arguments.id.clone(), reason: arguments.reason.clone() };
    revoke::next(&arguments.roots, None, Some(license), printer)
}
