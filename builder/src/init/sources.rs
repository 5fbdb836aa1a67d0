//! What a release is made of: kustomizations, plain manifests, charts in folders and in archives.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use landfall_error_codes::codes;

use crate::error::{BuildError, Place, Result};
use crate::render::kustomization;

/// The longest name of a component.
const NAME_BYTES: usize = 53;

/// One component's source.
#[derive(Debug, Clone)]
pub struct Source {
    /// The component's name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub kind: SourceKind,
}

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A folder with a kustomization, which stays where it is.
    Kustomization,
    /// A folder with YAML files, which are copied.
    Plain,
    /// A chart's folder, which stays where it is.
    Chart,
    /// A chart's archive, which is unpacked.
    Archive,
}

/// Finds the sources in what was named: each by itself, or all folders of a folder.
pub fn find(paths: &[PathBuf]) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    for path in paths {
        let path = path.canonicalize().map_err(|error| refuse(path, "cannot be found").because(error))?;
        if let Some(source) = source(&path)? {
            found.push(source);
            continue;
        }
        let inner = folders(&path)?.iter().map(|folder| source(folder)).collect::<Result<Vec<_>>>()?;
        let before = found.len();
        found.extend(inner.into_iter().flatten());
        if found.len() == before {
            return Err(refuse(&path, "has neither manifests nor a chart, and none of its folders does"));
        }
    }
    if found.is_empty() {
        return Err(BuildError::new(codes::INIT_SOURCE, "no source is named"));
    }
    let mut names = HashSet::new();
    match found.iter().find(|source| !names.insert(source.name.clone())) {
        Some(twice) => Err(refuse(&twice.path, &format!("gives a second component the name `{}`", twice.name))),
        None => Ok(found),
    }
}

pub(super) fn refuse(path: &Path, what: &str) -> BuildError {
    BuildError::at(codes::INIT_SOURCE, Place::file(path), what)
}

/// What a path is by itself.
fn source(path: &Path) -> Result<Option<Source>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_archive = [".tgz", ".tar.gz"].iter().any(|end| name.ends_with(end));
    let kind = if path.is_file() && is_archive {
        SourceKind::Archive
    } else if !path.is_dir() {
        return Err(refuse(path, "is neither a folder nor the archive of a chart"));
    } else if path.join("Chart.yaml").is_file() {
        SourceKind::Chart
    } else if kustomization(path).is_some() {
        SourceKind::Kustomization
    } else if !yaml_files(path)?.is_empty() {
        SourceKind::Plain
    } else {
        return Ok(None);
    };
    let stem = name.trim_end_matches(".tgz").trim_end_matches(".tar.gz");
    // A chart's archive ends with its version.
    let plain = if kind == SourceKind::Archive { without_version(stem) } else { stem };
    Ok(Some(Source { name: label(plain), path: path.to_owned(), kind }))
}

fn without_version(stem: &str) -> &str {
    let digit = |rest: &str| rest.trim_start_matches('v').starts_with(|letter: char| letter.is_ascii_digit());
    let at = stem.match_indices('-').find(|(at, _)| digit(&stem[at + 1..])).map(|(at, _)| at);
    at.map_or(stem, |at| &stem[..at])
}

/// The YAML files of a folder, in the order of their names; not those of its folders.
pub fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_yaml = |path: &PathBuf| {
        path.is_file() && path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
    };
    Ok(entries(folder)?.into_iter().filter(is_yaml).collect())
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| refuse(folder, "cannot be read").because(error);
    let entries = fs_err::read_dir(folder).map_err(failed)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}

/// A name as a DNS label.
pub fn label(text: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let text: String = text.chars().map(plain).take(NAME_BYTES).collect();
    let label = text.trim_matches('-');
    if label.is_empty() { "component".to_owned() } else { label.to_owned() }
}
