//! The vendor's side: release definitions and locks, fetching from registries, rendering, packing.

pub mod definition;
pub mod error;
pub mod fetch;
pub mod layers;
pub mod lock;
pub mod reference;
pub mod render;

pub use error::{BuildError, Place};
