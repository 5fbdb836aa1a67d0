//! Sets of npm packages: the packages in a `package-lock.json`, and their verification.
//!
//! Threats: the file names URLs and paths, and a registry may serve other tarballs. Names and versions are checked
//! before they become part of a path. A tarball is used only if it has the SHA-512 that the file states.

mod integrity;
mod lockfile;
mod name;
mod registry;
mod target;
#[cfg(test)]
mod tests;

pub use integrity::Integrity;
pub use lockfile::{LockfileContent, Package, read};
pub use registry::Registry;
pub use target::Cpu;

use std::fmt;

use serde::Deserialize;

/// Groups of packages that are left out, named as in npm's option `--omit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OmittedGroup {
    /// Packages that only development needs.
    Dev,
    /// Packages that the others can do without.
    Optional,
    /// Packages that others require as peers.
    Peer,
}

impl fmt::Display for OmittedGroup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Dev => "dev",
            Self::Optional => "optional",
            Self::Peer => "peer",
        })
    }
}
