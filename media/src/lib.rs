//! Where bytes live: durable writes, parts, the content store, verified copying and its progress.

pub mod progress;
