//! The first stage of `cargo xtask`: it checks the machine, reports everything that is missing at once, and installs
//! what it may. Only then is anything of the project compiled.
//!
//! Collecting ([`collect`]) touches the machine and decides nothing; checks ([`checks`]) decide and touch nothing.

pub mod cache;
pub mod checks;
pub mod collect;
pub mod command;
pub mod dependencies;
pub mod facts;
pub mod install;
pub mod packages;
pub mod probe;
pub mod report;

/// The target that ships; everything except this launcher is built for it.
pub const TARGET: &str = "x86_64-unknown-linux-musl";
