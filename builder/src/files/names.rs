//! Names of files inside artifacts and archives.

/// The longest path of a file, in bytes.
const PATH_BYTES: usize = 1024;

/// Whether a path is relative and says where it leads: no `.`, no `..`, nothing empty between `/`.
pub fn is_relative(path: &str) -> bool {
    let segment = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains(['\0', '\\', '\n']);
    path.len() <= PATH_BYTES && path.split('/').all(segment)
}

/// Whether a path is relative, and can be shown as it is: no control characters.
pub fn is_plain_path(path: &str) -> bool {
    is_relative(path) && !path.chars().any(char::is_control)
}
