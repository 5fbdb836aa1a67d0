//! Documents that programs read. `landfall` writes them on the host, and the console reads the same types.
//!
//! Reading tolerates a host of another version: missing optional fields have a default, unknown variants become
//! `Unknown`, and [`newer`] passes over unknown fields.

pub mod backups;
pub mod change;
pub mod failure;
pub mod history;
pub mod license;
pub mod newer;
pub mod operation;
pub mod releases;
pub mod replaced_data;
pub mod settings;
pub mod status;
pub mod warning;

#[cfg(test)]
mod schema_tests;
