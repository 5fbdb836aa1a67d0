//! The archive of a support bundle: a gzip stream with a tar of plain files, the index last.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::{Contents, ReadError, read};
pub use writer::{Head, WriteError, Writer};

/// Maximum size of a file in the archive.
pub const MAX_FILE_BYTES: usize = 16 << 20;

/// Maximum size of all files together.
pub const MAX_BYTES: u64 = 192 << 20;

/// Maximum number of files.
pub const MAX_FILES: usize = 4000;

/// Maximum length of a name; one of that length fits a header of ustar.
const MAX_NAME: usize = 240;

/// Maximum length of a part of a name.
const MAX_PART: usize = 90;
