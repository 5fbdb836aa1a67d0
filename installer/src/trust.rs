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
    // What is written as a path is one, also where nothing lies.
    let like_a_path = !text.starts_with("sha256:") && (text.contains('/') || path.extension().is_some());
    if !path.is_file() && !like_a_path {
        return Ok(TrustAnchor::fingerprint(text)?);
    }
    let root = fs_err::read(path).map_err(|error| {
        Failure::new(codes::BAD_ARGUMENT, "the file that --trust names cannot be read")
            .because(&error)
            .next("Name the vendor's root document, or type its fingerprint as `sha256:` and 64 hexadecimal digits.")
    })?;
    Ok(TrustAnchor::Root(root))
}
