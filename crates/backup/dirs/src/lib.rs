//! Replacement for the registry's crate `dirs`. One of that crate's dependencies is under MPL-2.0, which would oblige
//! anyone who ships Landfall. `rustic_core` uses only its cache folder, and Landfall opens repositories without a
//! cache.

use std::path::PathBuf;

/// Returns no cache folder.
pub fn cache_dir() -> Option<PathBuf> {
    None
}
