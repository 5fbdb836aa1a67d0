//! Collectors of a support bundle: each has limits of time and bytes, and works without the others. They also work on a
//! site without an API server, and on a partly or not installed one.

mod cluster;
mod files;
mod known;
mod program;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use files::{tail_of_file, walk};
pub use known::known_values;
pub use program::{Limits, ProgramOutput, run};

/// Limits of one program.
pub const PROGRAM: Limits = Limits { time: Duration::from_secs(20), bytes: 8 << 20 };

/// Time limit of a collector within this process.
pub const COLLECTOR: Duration = Duration::from_mins(1);
/// Time limit of all collectors together. The console waits for nine minutes.
pub const COLLECTION: Duration = Duration::from_mins(8);

pub use cluster::{KINDS, objects, secrets, statistics};
