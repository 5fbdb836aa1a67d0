//! Locks of Python projects: `uv.lock` of uv, and `pylock.toml` (PEP 751). Both state version, URL and hash of every
//! file, for every platform. The target, and the vendor's choice of extras and groups, determine which files are taken.
//!
//! ```text
//! uv.lock ─────── uv ──────┐
//! pylock.toml ─── pylock ──┴─ packages that apply to the target ── choose ── one wheel each
//! pyproject.toml ─ pyproject ─ whether uv.lock is older than it
//! ```
//!
//! Threats: these are the vendor's own files, written by a tool. They are read within a limit of bytes and of nested
//! values. No text in them becomes a path before it is known to be the name of a wheel.

mod files;
mod pylock;
mod pyproject;
mod selection;
mod text;
mod uv;
mod walk;

pub use pyproject::{FILE_NAME as PYPROJECT, outdated_error};
pub use selection::Selection;

use std::path::Path;

use super::index::IndexFile;
use super::requirement::Requirement;
use super::target::Target;
use crate::error::BuildError;
use text::Text;

/// Form of the file that names the packages of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Requirements with hashes, in pip's format.
    Requirements,
    /// A project lock.
    Project(ProjectForm),
}

/// Format of a project lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectForm {
    /// `uv.lock`.
    Uv,
    /// `pylock.toml`, or `pylock.NAME.toml`.
    Pylock,
}

impl Form {
    /// Form of a file, by its name without folders. Returns an error text with the supported names.
    pub fn of(file_name: &str) -> Result<Self, String> {
        let has_ending = |endings: &[&str]| endings.iter().any(|ending| file_name.ends_with(ending));
        let is_pylock = file_name == "pylock.toml" || (file_name.starts_with("pylock.") && has_ending(&[".toml"]));
        match file_name {
            _ if has_ending(&["uv.lock"]) => Ok(Self::Project(ProjectForm::Uv)),
            _ if is_pylock => Ok(Self::Project(ProjectForm::Pylock)),
            PYPROJECT => Err("`pyproject.toml` pins nothing: name the `uv.lock` beside it".to_owned()),
            _ if has_ending(&[".toml", ".lock"]) => {
                let name = file_name.escape_default();
                Err(format!("`{name}` is neither a file of requirements, nor a `uv.lock`, nor a `pylock.toml`"))
            }
            _ => Ok(Self::Requirements),
        }
    }
}

/// A package that applies to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    /// Requirement for exactly its version, with the hashes of its files.
    pub requirement: Requirement,
    /// Files with absolute URLs.
    pub files: Vec<IndexFile>,
    /// True if it has its own URL, so that no index lists it.
    pub is_direct: bool,
}

/// Unique packages of a project lock that apply to a target, and all errors, by line.
pub fn read(
    form: ProjectForm,
    path: &Path,
    text: &str,
    target: &Target,
    chosen: &Selection,
) -> (Vec<LockedPackage>, Vec<BuildError>) {
    let text = Text::new(path, text);
    let (mut locked, mut faults) = match form {
        ProjectForm::Uv => uv::read(&text, target, chosen),
        ProjectForm::Pylock => pylock::read(&text, target, chosen),
    };
    faults.extend(text.without_repeats(&mut locked, target));
    if locked.is_empty() && faults.is_empty() {
        faults.push(text.file_error(format!("no package applies to {target}")));
    }
    (locked, faults)
}

#[cfg(test)]
mod tests;
