//! The number of the bundle format.

/// The `format` that this crate reads and writes.
pub const FORMAT: u64 = 1;
