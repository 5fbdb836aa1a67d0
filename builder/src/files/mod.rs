//! Artifacts that are made here of the files that upstream publishes, so that the site sees one shape.

mod archive;
mod compose;
#[cfg(test)]
mod tests;

pub use compose::compose;

/// The annotation that names the file of a layer, in OCI artifacts in general.
pub const TITLE: &str = "org.opencontainers.image.title";

/// The longest path of a file, in bytes.
const PATH_BYTES: usize = 1024;

/// Whether a path is relative and says where it leads: no `.`, no `..`, nothing empty between `/`.
pub fn is_relative(path: &str) -> bool {
    let segment = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains(['\0', '\\', '\n']);
    path.len() <= PATH_BYTES && path.split('/').all(segment)
}
