//! Where bytes live: durable writes, parts, the content store, verified copying and its progress.

pub mod counters;
pub mod durable;
mod error;
pub mod progress;

pub use error::{MediaError, Result};
