//! `pyproject.toml`: checks that a `uv.lock` matches its current declarations.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr as _;

use landfall_error_codes::codes;
use landfall_packages::normalize_name;
use pep440_rs::VersionSpecifiers;
use serde::Deserialize;

use super::text::Text;
use super::uv::{DeclaredDependency, Document};
use crate::error::{BuildError, Place};

/// Name of the file.
pub const FILE_NAME: &str = "pyproject.toml";

#[derive(Debug, Deserialize)]
struct Declaration {
    #[serde(default)]
    project: Option<Project>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Project {
    name: String,
    #[serde(default)]
    dependencies: Vec<String>,
    #[serde(default)]
    optional_dependencies: BTreeMap<String, Vec<String>>,
    /// Fields that a build computes, so that they are unknown here.
    #[serde(default)]
    dynamic: Vec<String>,
}

/// Error if a `uv.lock` does not match the `pyproject.toml` next to it; `None` if it does, or if they cannot be
/// compared.
///
/// Names and versions are compared. Markers are not, because uv rewrites them.
pub fn outdated_error(lock: (&Path, &str), declaration: (&Path, &str)) -> Option<BuildError> {
    let declared: Declaration = match Text::new(declaration.0, declaration.1).parse() {
        Ok(declared) => declared,
        Err(error) => return Some(error),
    };
    let project = declared.project.filter(|project| !project.has_dynamic_dependencies())?;
    // An error in the file itself is reported where it is read.
    let document: Document = Text::new(lock.0, lock.1).parse().ok()?;
    let name = normalize_name(&project.name);
    let is_project = |name_of: &str, folder: Option<&str>| folder.is_some() && normalize_name(name_of) == name;
    let found = document.packages.iter().find(|package| is_project(package.name.get_ref(), package.source.folder()));
    let difference = match found {
        None => Some(format!("has no project `{}`", name.escape_default())),
        Some(package) => difference(&project, &package.metadata.requires_dist),
    };
    let outdated = |what: String| {
        let what = format!("{what}, as {} says: run `uv lock`", declaration.0.display());
        BuildError::at(codes::PROJECT_LOCK_OUTDATED, Place::file(lock.0), what)
    };
    difference.map(outdated)
}

impl Project {
    fn has_dynamic_dependencies(&self) -> bool {
        self.dynamic.iter().any(|field| field == "dependencies" || field == "optional-dependencies")
    }
}

/// Text about the first difference between the declarations and the lock.
fn difference(project: &Project, locked: &[DeclaredDependency]) -> Option<String> {
    let written = project.dependencies.iter().chain(project.optional_dependencies.values().flatten());
    let written: Vec<_> =
        written.filter_map(|text| parse_name(text).map(|(name, versions)| (text, name, versions))).collect();
    let lacking = written.iter().find(|(_, name, versions)| {
        let is_same = |other: &DeclaredDependency| {
            // uv drops the versions of a dependency from another source.
            let is_elsewhere = versions.is_none() || other.source.is_elsewhere();
            other.name == *name && (is_elsewhere || *versions == Some(specifiers(other.specifier.as_deref())))
        };
        !locked.iter().any(is_same)
    });
    if let Some((text, ..)) = lacking {
        // The text after `@` is a URL, which may contain a password.
        let plain = text.split('@').next().unwrap_or_default().trim();
        let shown: String = plain.chars().filter(|letter| !letter.is_control()).collect();
        return Some(format!("does not have `{shown}`"));
    }
    let is_gone = |other: &&DeclaredDependency| !written.iter().any(|(_, name, _)| other.name == *name);
    let gone = locked.iter().find(is_gone)?;
    Some(format!("has `{}`, which the project no longer needs", gone.name.escape_default()))
}

/// Name and versions of a requirement. The versions are `None` if it is from another source; the result is `None`
/// without a name.
fn parse_name(text: &str) -> Option<(String, Option<BTreeSet<String>>)> {
    let text = text.trim();
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let (name, rest) = text.split_at(text.find(|letter: char| !is_of_name(letter)).unwrap_or(text.len()));
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('[').and_then(|extras| extras.split_once(']')).map_or(rest, |(_, rest)| rest);
    let versions = rest.split(';').next().unwrap_or_default().trim();
    let plain = versions.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(versions);
    let versions = (!plain.starts_with('@')).then(|| specifiers(Some(plain)));
    (!name.is_empty()).then(|| (normalize_name(name), versions))
}

/// Version specifiers as a set, independent of their written form.
fn specifiers(text: Option<&str>) -> BTreeSet<String> {
    let text = text.unwrap_or_default();
    match VersionSpecifiers::from_str(text) {
        Ok(specifiers) => specifiers.iter().map(ToString::to_string).collect(),
        Err(_) => BTreeSet::from([text.to_owned()]),
    }
}
