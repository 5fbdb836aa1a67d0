//! Destination of a bundle.

use std::path::Path;

use super::OtherFiles;

/// Destination of a bundle.
#[derive(Clone, Copy)]
pub struct Output<'a> {
    /// Destination folder, usually on the stick.
    pub folder: &'a Path,
    /// Maximum part size in bytes; `None` for one file.
    pub part_bytes: Option<u64>,
    /// Function that creates the small files next to the bundle, such as the transfer sheet.
    pub others: &'a OtherFiles<'a>,
    /// Total bytes of the small files whose size is known in advance; this much space is reserved. One MiB is always
    /// reserved for the others.
    pub others_bytes: u64,
}
