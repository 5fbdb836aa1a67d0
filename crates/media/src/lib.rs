//! Storage of bytes: durable writes, parts, the content store, verified copying and its progress.

pub mod bundle;
mod contents;
pub mod copy;
pub mod counters;
mod disk;
pub mod durable;
mod error;
pub mod growing;
#[cfg(any(test, feature = "testing"))]
pub mod later;
#[cfg(any(test, feature = "testing"))]
pub mod mounted;
pub mod pack;
mod partial;
pub mod parts;
mod payload;
mod pipeline;
#[cfg(any(test, feature = "testing"))]
pub mod power;
mod read_back;
#[cfg(any(test, feature = "testing"))]
pub mod real_disk;
pub mod sink;
pub mod source;
pub mod stage;
pub mod store;
pub mod verify;

#[cfg(test)]
mod testing;

pub use contents::Contents;
pub use error::{MediaError, Result};
pub use landfall_progress as progress;
pub use payload::Payload;
pub use read_back::{FileDigest, read_back};
