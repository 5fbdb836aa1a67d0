//! Compatibility with the program of an earlier commit, whose output is in `tests/earlier`: its codes, the forms of its
//! documents, and bundles that its builder wrote. The vectors of the format are earlier bundles as well.

mod built_bundles;
mod bundles;
mod codes;
mod fields;
mod listing;

use std::path::PathBuf;

/// Folder of the repository.
fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Path of a file that the earlier program wrote.
fn earlier(name: &str) -> PathBuf {
    repository().join("tests/earlier").join(name)
}
