//! The bundle format and its trust: types, strict readers and writers.
//!
//! Everything here is a function of bytes: no files, no network, no cluster, no clock. `docs/FORMAT.md` is the
//! specification that this crate implements.

pub mod codes;
pub mod digest;
pub mod release;

pub use codes::{Code, Coded, ExitClass};
pub use digest::{Blake3, Sha256};
