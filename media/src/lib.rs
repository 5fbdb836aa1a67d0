//! Where bytes live: durable writes, parts, the content store, verified copying and its progress.

pub mod bundle;
pub mod copy;
pub mod counters;
pub mod durable;
mod error;
mod paced;
mod payload;
mod pipeline;
pub mod progress;
pub mod sink;
pub mod source;
pub mod store;

pub use error::{MediaError, Result};
pub use payload::Payload;
