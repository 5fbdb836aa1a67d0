//! The vendor's side: release definitions and locks, fetching from registries, rendering, packing.

pub mod definition;
pub mod error;
pub mod reference;

pub use error::{BuildError, Place};
