//! What `cargo xtask` runs first: it looks at the machine, reports everything that is missing at once, installs what it
//! may, and only then lets anything of the project be compiled.
//!
//! Collecting ([`collect`]) touches the machine and decides nothing; checks ([`checks`]) decide and touch nothing.

pub mod cache;
pub mod checks;
pub mod collect;
pub mod command;
pub mod facts;
pub mod install;
pub mod packages;
pub mod probe;
pub mod report;

/// The target that ships, and for which everything but this launcher is built.
pub const TARGET: &str = "x86_64-unknown-linux-musl";
