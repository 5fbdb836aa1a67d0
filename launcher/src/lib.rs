//! First stage of `cargo xtask`: checks the machine, reports all missing items at once, and installs what it may. Only
//! then is any part of the project compiled.
//!
//! Collecting ([`collect`]) reads the machine and decides nothing; checks ([`checks`]) decide and have no effects.

pub mod cache;
pub mod checks;
pub mod cluster;
pub mod collect;
pub mod command;
pub mod dependencies;
pub mod facts;
pub mod install;
pub mod lock;
pub mod packages;
pub mod probe;
pub mod report;
pub mod toolchain;

/// The target that ships. Everything except this launcher is built for it.
pub const TARGET: &str = "x86_64-unknown-linux-musl";

/// Features of the project's own crates that their tests enable. Programs of this clone are built with them as well, so
/// that each crate is compiled once. Programs that ship are built without them (`cargo xtask dist`).
pub const TEST_FEATURES: [&str; 12] = [
    "landfall-agent/testing",
    "landfall-bundle-spec/sample",
    "landfall-engine/testing",
    "landfall-gpu-facts/sample",
    "landfall-host-api/testing",
    "landfall-host/testing",
    "landfall-kinds/corpus",
    "landfall-license/sample",
    "landfall-lifecycle/testing",
    "landfall-media/testing",
    "landfall-models/sample",
    "landfall-packages/sample",
];
