//! Names of files inside artifacts and archives.

/// Maximum length of a path, in bytes.
const PATH_BYTES: usize = 1024;

/// Returns true if a path is relative and normalized: without `.`, `..` and empty segments.
pub fn is_relative(path: &str) -> bool {
    let segment = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains(['\0', '\\', '\n']);
    path.len() <= PATH_BYTES && path.split('/').all(segment)
}

/// Returns true if a path is relative, normalized, and without control characters.
pub fn is_plain_path(path: &str) -> bool {
    is_relative(path) && !path.chars().any(char::is_control)
}
