//! The head of a bundle: the signed document, its signers, and everything needed to plan before the first payload byte.

mod area;
mod contents;
mod document;
mod reader;
mod sealed;
mod writer;

pub use crate::format::FORMAT;
pub use contents::{Contents, Opened, Verified};
pub use document::{
    Announcement, BundleDocument, FileDigest, Identity, LANDFALL_DOCUMENT_NAME, LANDFALL_DOCUMENT_TYPE, NamedDigest,
    Program, Requirement,
};
pub use sealed::{Sealed, Signed};
pub use writer::{NewDocument, SignedHead, UnsignedHead};

/// Name of the list of chaining values in the head.
pub const CHUNK_LIST_NAME: &str = "chunks.b3";

#[cfg(test)]
mod tests;
