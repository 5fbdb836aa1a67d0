//! The bundle format and its trust: types, strict readers and writers.
//!
//! Everything in this crate is a function of bytes: no files, no network, no cluster, no clock. The crate implements
//! the specification in `docs/FORMAT.md`.

mod archive;
mod base64_text;
pub mod blobs;
pub mod chunks;
pub mod digest;
pub mod dsse;
mod error;
mod format;
pub mod head;
mod json;
mod key_id;
pub mod layout;
pub mod limits;
pub mod names;
pub mod parts;
pub mod provenance;
#[cfg(any(test, feature = "sample"))]
pub mod sample;
pub mod stream;
pub mod trust;
#[cfg(test)]
mod vectors;

pub use archive::{END_BYTES, file_bytes, padding_bytes};
pub use digest::{Blake3, Sha256};
pub use error::{Error, Result};
pub use head::{Contents, Opened, Sealed, Verified};
pub use json::{Budget, read_any, read_canonical, read_typed, to_canonical, to_canonical_with_fractions};
