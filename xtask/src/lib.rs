//! Test machines, image recipes and the developers' commands of Landfall.
//!
//! Everything real runs on separate machines (see [`site`]). The binary `xtask` is a thin entry to [`commands`].

#[cfg(test)]
mod asvs;
pub mod authority;
pub mod bench;
pub mod bucket_server;
pub mod builds;
pub mod bulletin;
pub mod cache;
pub mod caller;
pub mod commands;
pub mod console;
pub mod cosign;
pub mod dependencies;
pub mod documents;
pub mod edits;
pub mod file_server;
pub mod gpu;
pub mod help;
#[path = "../../crates/builder/src/fetch/tests/hub_server.rs"]
pub mod hub_server;
pub mod images;
pub mod imports;
pub mod later_releases;
#[path = "../../crates/builder/src/fetch/tests/loopback.rs"]
mod loopback;
pub mod npm;
pub mod once;
pub mod outcome;
#[path = "../../crates/builder/src/fetch/tests/package_server.rs"]
pub mod package_server;
pub mod printer;
pub mod proofs;
pub mod published;
pub mod python_tools;
pub mod registry;
pub mod results;
pub mod rights;
#[path = "../../crates/media/src/runnable.rs"]
pub mod runnable;
pub mod seed;
pub mod setup;
pub mod silence;
pub mod site;
pub mod source;
pub mod starter;
pub mod token_server;
pub mod tools;
pub mod vendor;
pub mod vm;
pub mod wheel_index;
pub mod workspace;
pub mod writer;
