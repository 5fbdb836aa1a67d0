//! Artifacts composed here from upstream's files, so that a site sees a single form.

mod archive;
mod compose;
mod entry;
mod layer;
#[cfg(test)]
mod tests;
mod unpack;
#[cfg(test)]
mod unpack_tests;

pub use compose::compose;
pub use entry::entry as artifact_entry;
pub use unpack::unpack;

/// Annotation with the file name of a layer, in OCI artifacts in general.
pub const TITLE: &str = "org.opencontainers.image.title";
