//! The provenance of a build: the materials of a bundle, as an in-toto statement in a signed envelope, in a file next
//! to the bundle.
//!
//! Threats: the file is stored on the same stick as the bundle, so anyone may have written it. It may be endless,
//! signed by an unknown key, altered, or the vendor's statement about another bundle. Its size is limited before it is
//! read, and its values are counted while they are parsed. The statement is interpreted only after a threshold of the
//! effective root's release keys has signed exactly these bytes. Then it must name the bundle's id.

mod envelope;
mod statement;
#[cfg(test)]
mod tests;

pub use crate::dsse::PAYLOAD_TYPE;
pub use envelope::{Provenance, UnsignedProvenance, VerifiedProvenance};
pub use statement::{
    BUILD_TYPE, BuildDefinition, Builder, ExternalParameters, Material, Metadata, PREDICATE_TYPE, Predicate,
    RunDetails, STATEMENT_TYPE, Statement,
};
