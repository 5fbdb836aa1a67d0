//! Sets of wheels: the packages in a requirements file or a project lock, their files in a package index, and the
//! wheels that fit best.
//!
//! ```text
//! requirements.txt ── read ── those that apply to the target ─┐
//! package index ── page of each project ── listed files ──────┴─ choose ── one wheel each ── exported
//! uv.lock, pylock.toml ── project ── both ────────────────────┘
//! ```
//!
//! Threats: an index, or an attacker in front of it, may respond with endless pages or with names that lead out of a
//! folder. It may offer wheels that the vendor did not intend. Pages are read within limits. A file is used only if its
//! name is that of a required wheel, and if the vendor's own file states its SHA-256.

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
pub use export::{FILE_NAME as EXPORT_NAME, export_text};
pub use index::{IndexFile, ProjectPage};
pub use project::{Form, LockedPackage, PYPROJECT, ProjectForm, Selection, outdated_error, read as read_project};
pub use requirement::Requirement;
pub use requirements::{applicable, read};
pub use tags::Tags;
pub use target::Target;
