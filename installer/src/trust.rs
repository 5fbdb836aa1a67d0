//! First trust: what `--trust` names, never what the stick shows.

use std::path::Path;

use landfall_bundle_spec::codes;
use landfall_bundle_spec::trust::TrustAnchor;

use crate::cli::TrustArguments;
use crate::failure::Failure;

/// The anchor that `--trust` names: a file with a root document, or a typed fingerprint.
pub(crate) fn anchor(arguments: &TrustArguments) -> Result<TrustAnchor, Failure> {
    let Some(text) = &arguments.trust else {
        return Err(Failure::new(
            codes::TRUST_MISSING,
            "no --trust was given, and nothing is believed because the stick says so",
        ));
    };
    let path = Path::new(text);
    if !path.is_file() {
        return Ok(TrustAnchor::fingerprint(text)?);
    }
    let root = fs_err::read(path).map_err(|error| {
        Failure::new(codes::BAD_ARGUMENT, "the file that --trust names cannot be read").because(&error)
    })?;
    Ok(TrustAnchor::Root(root))
}
