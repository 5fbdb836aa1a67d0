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
pub mod images;
pub mod imports;
pub mod later_releases;
pub mod npm;
pub mod once;
pub mod outcome;
pub mod printer;
pub mod proof_list;
pub mod proofs;
pub mod published;
pub mod python_tools;
pub mod registry;
pub mod results;
pub mod rights;
pub mod seed;
pub mod setup;
pub mod silence;
pub mod site;
pub mod source;
pub mod start_order;
pub mod starter;
pub mod token_server;
pub mod tools;
pub mod vendor;
pub mod vm;
pub mod wheel_index;
pub mod workspace;
pub mod writer;
