//! The text of a project lock, with line numbers for errors.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::str::FromStr as _;

use landfall_error_codes::{Code, codes};
use landfall_packages::normalize_name;
use landfall_suggestion::did_you_mean;
use pep440_rs::{Version, VersionSpecifiers};
use serde::de::DeserializeOwned;
use toml::Spanned;

use super::super::marker::{self, Environment, MarkerError};
use super::super::requirement::Requirement;
use super::super::target::Target;
use super::LockedPackage;
use super::files::{File, to_index_file};
use crate::error::{BuildError, Place};

/// A text with the path of its file.
pub(super) struct Text<'a> {
    path: &'a Path,
    contents: &'a str,
    /// Byte offset of each line.
    lines: Vec<usize>,
}

/// A package in a project lock.
pub(super) struct WrittenPackage<'a> {
    pub(super) name: &'a Spanned<String>,
    pub(super) version: Option<&'a str>,
    pub(super) files: Vec<File<'a>>,
    pub(super) is_direct: bool,
}

impl<'a> Text<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { path, contents: text, lines: std::iter::once(0).chain(after_newlines).collect() }
    }

    /// Parses the text.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, BuildError> {
        toml::from_str(self.contents).map_err(|error| {
            let line = error.span().map(|span| self.line(span.start));
            let place = Place { line, ..Place::file(self.path) };
            BuildError::at(codes::PROJECT_LOCK_UNREADABLE, place, error.message().escape_default().to_string())
        })
    }

    /// Path of the file.
    pub(super) fn path(&self) -> &'a Path {
        self.path
    }

    /// Line number of a byte offset, counted from 1.
    fn line(&self, at: usize) -> u64 {
        self.lines.partition_point(|start| *start <= at) as u64
    }

    /// Error for the file as a whole.
    pub(super) fn file_error(&self, what: String) -> BuildError {
        BuildError::at(codes::PROJECT_LOCK_UNREADABLE, Place::file(self.path), what)
    }

    /// Error for the vendor's selection from the file.
    pub(super) fn selection_error(&self, what: String) -> BuildError {
        BuildError::at(codes::PROJECT_SELECTION, Place::file(self.path), what)
    }

    /// Returns an error for chosen names that the file lacks.
    pub(super) fn check_known(
        &self,
        noun: &str,
        chosen: &BTreeSet<String>,
        known: &BTreeSet<String>,
    ) -> Result<(), BuildError> {
        let Some(unknown) = chosen.difference(known).next() else { return Ok(()) };
        let near = did_you_mean(unknown, known.iter().map(String::as_str));
        Err(self.selection_error(format!("it has no {noun} `{}`{near}", unknown.escape_default())))
    }

    /// Error for a package, at its line.
    pub(super) fn fault(&self, name: &Spanned<String>, code: Code, what: String) -> BuildError {
        let shown = name.get_ref().escape_default().to_string();
        BuildError::at(code, Place::field(self.path, self.line(name.span().start), shown), what)
    }

    /// Returns an error if the file does not support the target's Python.
    pub(super) fn check_python(&self, requires: Option<&str>, target: &Target) -> Result<(), BuildError> {
        let Some(requires) = requires else { return Ok(()) };
        let specifiers = VersionSpecifiers::from_str(requires)
            .map_err(|_| self.file_error(format!("`{}` is not a range of versions", requires.escape_default())))?;
        match target.is_in(&specifiers) {
            Some(true) => Ok(()),
            Some(false) => {
                Err(self
                    .file_error(format!("it is for Python {}, and the target is {target}", requires.escape_default())))
            }
            None => {
                let what =
                    format!("it is for Python {}, and the lock names no patch version", requires.escape_default());
                Err(BuildError::at(codes::PYTHON_PATCH, Place::file(self.path), what))
            }
        }
    }

    /// Returns an error if none of the file's environments matches the target. A file without any supports all.
    pub(super) fn check_environments(
        &self,
        markers: &[String],
        environment: &Environment<'_>,
    ) -> Result<(), BuildError> {
        let holding: Vec<_> = markers.iter().map(|marker| marker::holds(marker, environment)).collect();
        let is_met = holding.is_empty() || holding.contains(&Ok(true));
        let mut unknown = holding.into_iter().filter_map(Result::err);
        if let Some(unknown) = unknown.find(|unknown| !is_met || *unknown != MarkerError::Patch) {
            let (code, what) = unknown.refusal(codes::PROJECT_LOCK_UNREADABLE);
            return Err(BuildError::at(code, Place::file(self.path), what));
        }
        if is_met {
            return Ok(());
        }
        Err(self.file_error(format!("none of its environments is {}", environment.target())))
    }

    /// Converts a package with its files.
    pub(super) fn to_locked(&self, written: WrittenPackage<'_>) -> Result<LockedPackage, BuildError> {
        let WrittenPackage { name, version, files, is_direct } = written;
        let refuse = |code, what| self.fault(name, code, what);
        let version = version.ok_or_else(|| refuse(codes::REQUIREMENT_UNPINNED, "names no version".to_owned()))?;
        let version = Version::from_str(version).map_err(|_| {
            let what = format!("`{}` is not a version as PEP 440 has it", version.escape_default());
            refuse(codes::PROJECT_LOCK_UNREADABLE, what)
        })?;
        let files: Vec<_> = files
            .into_iter()
            .map(to_index_file)
            .collect::<Result<_, _>>()
            .map_err(|(code, what)| refuse(code, what))?;
        let hashes: Vec<_> = files.iter().filter_map(|file| file.sha256).collect();
        if hashes.is_empty() && !files.is_empty() {
            return Err(refuse(codes::REQUIREMENT_UNHASHED, "states no SHA-256 of its files".to_owned()));
        }
        let requirement =
            Requirement::exact(self.line(name.span().start), normalize_name(name.get_ref()), version, hashes);
        Ok(LockedPackage { requirement, files, is_direct })
    }

    /// Removes repetitions of a package in the same version; returns an error for each package with two versions.
    pub(super) fn without_repeats(&self, locked: &mut Vec<LockedPackage>, target: &Target) -> Vec<BuildError> {
        let mut first: HashMap<String, (u64, Version)> = HashMap::new();
        let mut faults = Vec::new();
        locked.retain(|LockedPackage { requirement, .. }| {
            let (line, version) = (requirement.line, requirement.version());
            let Some((earlier, other)) = first.get(&requirement.name) else {
                first.insert(requirement.name.clone(), (line, version.clone()));
                return true;
            };
            if other != version {
                let what = format!("line {earlier} has {other} and this one {version}, and both apply to {target}");
                let place = Place::field(self.path, line, requirement.name.clone());
                faults.push(BuildError::at(codes::REQUIREMENT_UNPINNED, place, what));
            }
            false
        });
        faults
    }
}
