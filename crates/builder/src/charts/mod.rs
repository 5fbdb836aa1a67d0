//! Helm charts: opened, checked, rendered with a pinned Helm at build time, and made part of a release.
//!
//! ```text
//! folder, archive, registry, repository ── open ── files ── check, trap ──
//!     helm template, twice, for an upgrade ── objects, Secrets, hooks
//! ```

mod acceptance;
mod actions;
mod clock;
mod files;
mod helm;
mod hooks;
mod ignored;
mod index;
mod job_names;
mod lookup;
mod metadata;
mod open;
mod output;
mod refusals;
mod render;
mod stages;
#[cfg(test)]
mod tests;
mod tests_as_proofs;
mod unsteady;
mod upgrades;

pub use acceptance::{accept_charts, after_rendering};
pub use index::ChartIndex;
pub use open::{Charts, open_archive, open_charts, open_folder, open_folders, read_archive, read_blob, unpack};
pub use render::{idle_hooks, render};

use landfall_error_codes::codes;

use crate::error::BuildError;

/// Error of this machine that prevents the rendering of a chart.
fn interruption_error(what: &str, error: std::io::Error) -> BuildError {
    BuildError::new(codes::BUILD_INTERRUPTED, format!("{what} cannot be run or written")).because(error)
}
