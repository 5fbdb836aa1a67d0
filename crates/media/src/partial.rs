//! Names of unfinished parts.

use std::path::Path;

/// Suffix of parts that are not yet whole or not yet read back.
pub(crate) const PARTIAL_SUFFIX: &str = ".partial";

/// Name of a part until it is whole and was read back.
pub(crate) fn partial_name(name: &str) -> String {
    format!("{name}{PARTIAL_SUFFIX}")
}

/// Returns true if the file has the name of an unfinished part.
pub(crate) fn is_partial(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(PARTIAL_SUFFIX.as_bytes()))
}
