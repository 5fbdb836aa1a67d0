//! `landfall trust revoke`: makes the next, unsigned revocation.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::trust::{REVOCATION_FILE_NAME, Revocation, RevokedLicense, RevokedRelease};
use landfall_error_codes::codes;
use landfall_media::durable;
use schemars::JsonSchema;
use serde::Serialize;

use super::document::read_revocation;
use crate::cli::TrustRevokeArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// Revocation to be signed.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevocationDraft {
    /// File of the revocation.
    document: PathBuf,
    /// Number of the revocation.
    number: u64,
    /// Number of revoked releases.
    releases: usize,
    /// Number of revoked licenses.
    licenses: usize,
}

impl Document for RevocationDraft {
    const KIND: &'static str = "revocationDraft";
}

/// Makes the revocation that follows the one in the folder, with its content and a further release.
pub(super) fn run(arguments: &TrustRevokeArguments, printer: Printer) -> Result<(), Failure> {
    let bundle = arguments.bundle.as_ref().map(|id| {
        id.parse::<Sha256>().map_err(|error| Failure::new(codes::BAD_ARGUMENT, format!("--bundle: {error}")))
    });
    let release = RevokedRelease {
        name: arguments.name.clone(),
        version: arguments.version.clone(),
        bundle: bundle.transpose()?,
        reason: arguments.reason.clone(),
    };
    next(&arguments.roots, Some(release), None, printer)
}

/// Makes the revocation that follows the one in a folder of roots, with its content and a further release or license.
pub(crate) fn next(
    roots: &Path,
    release: Option<RevokedRelease>,
    license: Option<RevokedLicense>,
    printer: Printer,
) -> Result<(), Failure> {
    let path = roots.join(REVOCATION_FILE_NAME);
    let before = match path.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        _ => Some(read_revocation(&path)?),
    };
    let (number, mut releases, mut licenses) = before.map_or((0, Vec::new(), Vec::new()), |before| {
        (before.number(), before.releases().to_vec(), before.licenses().to_vec())
    });
    releases.extend(release);
    licenses.extend(license);
    let refused = |error: landfall_bundle_spec::Error| {
        Failure::new(codes::TRUST_CHANGE_REFUSED, "the revocation cannot be made").because(&error)
    };
    let next = Revocation::with_licenses(number + 1, releases, licenses).map_err(refused)?;
    durable::write_file(&path, next.bytes(), 0o644)?;
    let (releases, licenses) = (next.releases().len(), next.licenses().len());
    let made = RevocationDraft { document: path, number: next.number(), releases, licenses };
    printer.report(&made, |made| {
        let RevocationDraft { document, number, releases, licenses } = made;
        let path = document.display();
        format!(
            "revocation {number} is in {path} and names {releases} release(s) and {licenses} license(s)\n\
             It counts once enough keys have signed it: landfall trust sign {path}"
        )
    })?;
    Ok(())
}
