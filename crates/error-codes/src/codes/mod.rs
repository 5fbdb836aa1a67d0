//! The registry of error codes, from which `docs/ERRORS.md` is generated.
//!
//! A code is stable: it is never reused and never changes its meaning. Ranges: LF10 format, LF11 trust, LF12 media and
//! parts, LF20 release definition and lock, LF21 fetching, LF30 site preflight, LF31 site configuration, LF40 journal
//! and engine, LF41 node steps, LF42 cluster and apply, LF43 looking at a site, LF44 upgrades and rollback, LF45
//! proofs, LF46 backups, LF47 licenses, LF48 the console on the host, LF50 the appliance, LF90 bugs.

use std::sync::LazyLock;

use crate::Code;

mod appliance;
mod bundle;
mod fetching;
mod operations;
mod release;
mod site;
mod usage;

pub use self::appliance::*;
pub use self::bundle::*;
pub use self::fetching::*;
pub use self::operations::*;
pub use self::release::*;
pub use self::site::*;
pub use self::usage::*;

/// All codes, in the order of the registry.
pub static ALL: LazyLock<Vec<Code>> = LazyLock::new(|| FILES.concat());

/// Returns the code with this ID; `None` for a code of a newer version.
pub fn find(id: &str) -> Option<&'static Code> {
    ALL.iter().find(|code| code.id == id)
}

/// The codes of each file, in the order of their numbers.
const FILES: [&[Code]; 7] =
    [bundle::CODES, release::CODES, fetching::CODES, site::CODES, operations::CODES, appliance::CODES, usage::CODES];
