//! The archive of a support bundle: a gzipped tar of plain files, with the index last.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::{Contents, ReadError, read};
pub use writer::{Head, WriteError, Writer};

/// Maximum size of a file in the archive, in bytes.
pub const MAX_FILE_BYTES: usize = 16 << 20;

/// Maximum size of all files together, in bytes.
pub const MAX_BYTES: u64 = 192 << 20;

/// Maximum number of files.
pub const MAX_FILES: usize = 4000;

/// Maximum length of a name; such a name fits into a ustar header.
const MAX_NAME: usize = 240;

/// Maximum length of a segment of a name.
const MAX_PART: usize = 90;
