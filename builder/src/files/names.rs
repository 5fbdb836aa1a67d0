//! Names of files inside artifacts and archives.

/// The longest path of a file, in bytes.
const PATH_BYTES: usize = 1024;

/// Whether a path is relative and says where it leads: no `.`, no `..`, nothing empty between `/`.
pub fn is_relative(path: &str) -> bool {
    let segment = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains(['\0', '\\', '\n']);
    path.len() <= PATH_BYTES && path.split('/').all(segment)
}
