//! Artifacts that are made here of the files that upstream publishes, so that the site sees one shape.

mod archive;
mod compose;
mod layer;
mod names;
#[cfg(test)]
mod tests;
mod unpack;
#[cfg(test)]
mod unpack_tests;

pub use compose::compose;
pub use names::{is_plain_path, is_relative};
pub use unpack::unpack;

/// The annotation that names the file of a layer, in OCI artifacts in general.
pub const TITLE: &str = "org.opencontainers.image.title";
