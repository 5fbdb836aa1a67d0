//! Sets of wheels: what a file of requirements or the lock of a Python project names, what a package index has of it, and which wheel fits a target best.
//!
//! ```text
//! requirements.txt ── read ── those that apply to the target ─┐
//! package index ── page of each project ── listed files ──────┴─ choose ── one wheel each ── exported
//! uv.lock, pylock.toml ── project ── both ────────────────────┘
//! ```
//!
//! Threats: an index, or an attacker in front of it, may answer with pages without an end, with names that lead out of a folder,
//! or with other wheels than the vendor meant. Pages are read within limits. A file counts only if it has the name of a wheel of the
//! required version and one of the SHA-256 digests that the vendor's own file states.

mod choice;
mod export;
mod index;
mod marker;
mod project;
mod requirement;
mod requirements;
mod tags;
mod target;
#[cfg(test)]
mod tests;

pub use choice::choose;
pub use export::{FILE_NAME as EXPORT_NAME, exported};
pub use index::{Listed, ProjectPage};
pub use project::{Form, Locked, PYPROJECT, ProjectForm, Selection, outdated, read as read_project};
pub use requirement::Requirement;
pub use requirements::{applicable, read};
pub use tags::Tags;
pub use target::Target;

use landfall_bundle_spec::Sha256;

/// A SHA-256 from its hexadecimal digits, small or capital.
fn sha256(digits: &str) -> Option<Sha256> {
    format!("sha256:{}", digits.to_ascii_lowercase()).parse().ok()
}
