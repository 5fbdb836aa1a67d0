//! Stands in for the crate `dirs` of the registry, one of whose dependencies is under MPL-2.0, which would oblige whoever
//! ships Landfall. `rustic_core` asks it for one thing, the place of a cache, and Landfall opens repositories without one.

use std::path::PathBuf;

/// No folder for caches.
pub fn cache_dir() -> Option<PathBuf> {
    None
}
