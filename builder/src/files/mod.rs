//! Artifacts composed here from upstream's files, so that a site sees one form.

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

/// Annotation with the file name of a layer, in OCI artifacts in general.
pub const TITLE: &str = "org.opencontainers.image.title";
