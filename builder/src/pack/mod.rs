//! Builds a signed bundle from definition and lock: everything is checked and fetched before the first byte is written.

mod artifact;
mod build;
mod contents;
mod elf;
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
mod programs;
mod provenance;
#[cfg(test)]
mod rebuild_tests;
mod room;
mod roots;
mod sheet;
mod sheet_licenses;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use artifact::entry as artifact_entry;
pub(crate) use build::open_charts;
pub use build::{BuildReport, BuiltFile, build};
pub(crate) use inputs::kubernetes;
pub(crate) use keeping::{after_chart, after_rendering};
#[cfg(test)]
pub(crate) use programs::program as program_for_tests;
pub(crate) use programs::{check_gpu_program, check_installer};
pub use room::SiteRoom;
pub(crate) use roots::{check_signers, read_trust};
