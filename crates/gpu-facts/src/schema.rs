//! Schema of the document with the facts, and its maximum size.

/// Schema of the document. It changes with every change to a field.
pub const SCHEMA: u32 = 1;

/// Maximum size of the document in bytes.
pub const SIZE_LIMIT: usize = 4 << 20;
