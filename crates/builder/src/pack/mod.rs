//! Builds a signed bundle from definition and lock: everything is checked and fetched before the first byte is written.

mod build;
mod contents;
mod existing;
mod gpu_tools;
mod host;
mod inputs;
mod inventory;
mod keeping;
mod licenses;
mod models;
mod order;
mod output;
mod provenance;
#[cfg(test)]
mod rebuild_tests;
mod room;
mod roots;
mod sheet;
mod sheet_licenses;
#[cfg(test)]
pub(crate) mod tests;

pub use build::{BuildReport, BuiltFile, build};
pub use room::SiteRoom;
pub(crate) use roots::{check_signers, read_trust};
