//! Sets of npm packages: what a `package-lock.json` names, and what each of its packages must be.
//!
//! Threats: the file names addresses and paths, and a registry may serve other tarballs. Names and versions are checked before
//! a path is made of them. A tarball counts only if it has the SHA-512 that the file states.

mod integrity;
mod lockfile;
mod name;
mod registry;
mod target;
#[cfg(test)]
mod tests;

pub use integrity::Integrity;
pub use lockfile::{Found, Package, read};
pub use registry::Registry;
pub use target::Cpu;

use std::fmt;

use serde::Deserialize;

/// Packages that are left out, as npm's option of this name has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Omit {
    /// Those that only development needs.
    Dev,
    /// Those without which the rest works, too.
    Optional,
    /// Those that others expect beside them.
    Peer,
}

impl fmt::Display for Omit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Dev => "dev",
            Self::Optional => "optional",
            Self::Peer => "peer",
        })
    }
}
