//! The provenance of a build: what a bundle was made of, as an in-toto statement in a signed envelope, in a file beside it.
//!
//! Threats: the file is stored on the same stick as the bundle, so anyone may have written it. It may be endless, be signed
//! by a stranger, be the vendor's about another bundle, or be changed. Its size is limited before it is read, its values
//! are counted while they are parsed, and nothing of the statement is interpreted before a threshold of the release keys
//! of the root that counts has signed exactly these bytes. Then it must name the bundle's id.

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
