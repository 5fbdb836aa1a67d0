//! Sources of a release: kustomizations, plain manifests, and charts in folders or archives.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use landfall_error_codes::codes;

use crate::definition::COMPONENT_FILE;
use crate::error::{BuildError, Place, Result};
use crate::rendered::kustomization;

/// Maximum length of a component's name, in bytes.
const NAME_BYTES: usize = 53;

/// Hint for a folder that is not part of the folder around it.
pub(super) const NAME_IT: &str = "Also name it as a source: it becomes a component of its own. If it is not of the \
    release, name the folders that are, instead of the one around them.";

/// Source of one component.
#[derive(Debug, Clone)]
pub struct Source {
    /// Name of the component.
    pub name: String,
    /// Path of the source.
    pub path: PathBuf,
    /// Kind of the source.
    pub kind: SourceKind,
}

/// Kinds of sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// A folder with a kustomization, which stays in place.
    Kustomization,
    /// A folder with YAML files, which are copied.
    Plain {
        /// YAML files of the folder and its subfolders.
        files: Vec<PathBuf>,
    },
    /// Folder of a chart, which stays in place.
    Chart,
    /// Archive of a chart, which is unpacked.
    Archive,
    /// A folder with a component's own file and no kustomization, which stays in place.
    Component,
}

/// Finds sources in the given paths: each path itself, or all subfolders of a folder.
pub fn find(paths: &[PathBuf]) -> Result<Vec<Source>> {
    let absolute = |path: &PathBuf| path.canonicalize().map_err(|error| refuse(path, "cannot be found").because(error));
    let named = GivenPaths(paths.iter().map(absolute).collect::<Result<_>>()?);
    let mut found = Vec::new();
    for path in &named.0 {
        if let Some(source) = named.source(path)? {
            found.push(source);
            continue;
        }
        let inner = folders(path)?.iter().map(|folder| named.inner(folder)).collect::<Result<Vec<_>>>()?;
        let before = found.len();
        found.extend(inner.into_iter().flatten());
        if found.len() == before {
            return Err(refuse(path, "has neither manifests nor a chart, and none of its folders does"));
        }
    }
    if found.is_empty() {
        return Err(BuildError::new(codes::INIT_SOURCE, "no source is named"));
    }
    let mut taken = HashSet::new();
    match found.iter().find(|source| !taken.insert(source.name.clone())) {
        Some(twice) => Err(refuse(&twice.path, &format!("gives a second component the name `{}`", twice.name))),
        None => Ok(found),
    }
}

pub(super) fn refuse(path: &Path, what: &str) -> BuildError {
    BuildError::at(codes::INIT_SOURCE, Place::file(path), what)
}

/// The given paths, resolved.
struct GivenPaths(Vec<PathBuf>);

impl GivenPaths {
    /// Source at a path; `None` for a folder that has neither a chart, nor a kustomization, nor YAML files.
    fn source(&self, path: &Path) -> Result<Option<Source>> {
        if path.is_file() && is_archive(path) {
            return Ok(Some(Source::new(path, SourceKind::Archive)));
        }
        if !path.is_dir() {
            return Err(refuse(path, "is neither a folder nor the archive of a chart"));
        }
        let kind = match rendered_whole(path) {
            Some(kind) => kind,
            None if yaml_files(path)?.is_empty() => return Ok(None),
            None => SourceKind::Plain { files: self.manifests(path)? },
        };
        Ok(Some(Source::new(path, kind)))
    }

    /// Source at a subfolder of a given folder: the subfolder itself, or the YAML files below it.
    fn inner(&self, folder: &Path) -> Result<Option<Source>> {
        if let Some(source) = self.source(folder)? {
            return Ok(Some(source));
        }
        let files = self.manifests(folder)?;
        Ok((!files.is_empty()).then(|| Source::new(folder, SourceKind::Plain { files })))
    }

    /// YAML files of a folder and its subfolders, except subfolders that were given as well.
    ///
    /// Returns an error for a subfolder that is a chart or a kustomization, and for a symbolic link, which may lead
    /// anywhere.
    fn manifests(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut files = yaml_files(folder)?;
        for within in folders(folder)? {
            let problem = match rendered_whole(&within) {
                _ if self.0.contains(&within) => continue,
                _ if within.is_symlink() => "is a link to a folder",
                Some(SourceKind::Chart) => "is a chart in a folder that is not one",
                Some(_) => "has a kustomization, in a folder that has none",
                None => {
                    files.extend(self.manifests(&within)?);
                    continue;
                }
            };
            return Err(refuse(&within, problem).hint(NAME_IT));
        }
        Ok(files)
    }
}

impl Source {
    fn new(path: &Path, kind: SourceKind) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = name.trim_end_matches(".tgz").trim_end_matches(".tar.gz");
        // The name of a chart's archive ends with a version.
        let plain = if kind == SourceKind::Archive { without_version(stem) } else { stem };
        Self { name: label(plain), path: path.to_owned(), kind }
    }
}

fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [".tgz", ".tar.gz"].iter().any(|end| name.ends_with(end))
}

/// The kind of a folder whose own files determine what is rendered from it.
fn rendered_whole(folder: &Path) -> Option<SourceKind> {
    if folder.join("Chart.yaml").is_file() {
        return Some(SourceKind::Chart);
    }
    let own_file = || folder.join(COMPONENT_FILE).is_file().then_some(SourceKind::Component);
    kustomization(folder).map(|_| SourceKind::Kustomization).or_else(own_file)
}

fn without_version(stem: &str) -> &str {
    let digit = |rest: &str| rest.trim_start_matches('v').starts_with(|letter: char| letter.is_ascii_digit());
    let at = stem.match_indices('-').find(|(at, _)| digit(&stem[at + 1..])).map(|(at, _)| at);
    at.map_or(stem, |at| &stem[..at])
}

/// YAML files directly in a folder, sorted by name.
fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_yaml = |path: &PathBuf| {
        path.is_file() && path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
    };
    Ok(entries(folder)?.into_iter().filter(is_yaml).collect())
}

/// Subfolders of a folder, except hidden ones, which belong to other programs.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir() && !is_hidden(path)).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| refuse(folder, "cannot be read").because(error);
    let entries = fs_err::read_dir(folder).map_err(failed)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}

/// Converts a name to a DNS label.
pub fn label(text: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let text: String = text.chars().map(plain).take(NAME_BYTES).collect();
    let label = text.trim_matches('-');
    if label.is_empty() { "component".to_owned() } else { label.to_owned() }
}
