//! `uv.lock`: a graph of packages, from which those that the project needs on the target are selected.
//!
//! uv encodes conflicting extras and groups in markers, as values of `extra` that include the name of the package.

use std::collections::{BTreeMap, BTreeSet};

use landfall_error_codes::codes;
use landfall_packages::normalize_name;
use serde::Deserialize;
use toml::Spanned;

use super::super::marker::Environment;
use super::super::target::Target;
use super::files::{File, digits};
use super::text::{Text, WrittenPackage};
use super::walk::Walk;
use super::{LockedPackage, Selection};
use crate::error::{BuildError, Place};

/// The file, parsed leniently because uv writes it and adds fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Document {
    version: u64,
    #[serde(default)]
    requires_python: Option<String>,
    #[serde(default)]
    supported_markers: Vec<String>,
    #[serde(default)]
    conflicts: Vec<Vec<Conflict>>,
    #[serde(default, rename = "package")]
    pub(super) packages: Vec<Package>,
}

/// One of several extras or groups that conflict.
#[derive(Debug, Deserialize)]
struct Conflict {
    package: String,
    #[serde(default)]
    extra: Option<String>,
    #[serde(default)]
    group: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Package {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) version: Option<String>,
    pub(super) source: Source,
    #[serde(default)]
    pub(super) dependencies: Vec<Dependency>,
    #[serde(default)]
    pub(super) optional_dependencies: BTreeMap<String, Vec<Dependency>>,
    #[serde(default)]
    pub(super) dev_dependencies: BTreeMap<String, Vec<Dependency>>,
    #[serde(default)]
    sdist: Option<Distribution>,
    #[serde(default)]
    wheels: Vec<Distribution>,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

/// Source of a package; one field is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Source {
    #[serde(default)]
    registry: Option<String>,
    #[serde(default)]
    git: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    directory: Option<String>,
    #[serde(default)]
    editable: Option<String>,
    #[serde(default, rename = "virtual")]
    project_alone: Option<String>,
}

/// A dependency on another package.
#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    #[serde(default)]
    pub(super) version: Option<String>,
    #[serde(default)]
    pub(super) source: Option<Source>,
    #[serde(default)]
    pub(super) extra: Vec<String>,
    #[serde(default)]
    pub(super) marker: Option<String>,
}

/// A wheel or a source distribution.
#[derive(Debug, Deserialize)]
struct Distribution {
    #[serde(default)]
    filename: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    hash: Option<String>,
    #[serde(default)]
    size: Option<u64>,
}

/// Declarations of the project, as uv read them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) requires_dist: Vec<DeclaredDependency>,
    #[serde(default)]
    provides_extras: Vec<String>,
    #[serde(default)]
    requires_dev: BTreeMap<String, toml::Value>,
}

/// A dependency that the project declares.
#[derive(Debug, Deserialize)]
pub(super) struct DeclaredDependency {
    pub(super) name: String,
    #[serde(default)]
    pub(super) specifier: Option<String>,
    #[serde(flatten)]
    pub(super) source: Source,
}

impl Source {
    /// Folder of the package, if it is local.
    pub(super) fn folder(&self) -> Option<&str> {
        [&self.editable, &self.project_alone, &self.directory].into_iter().find_map(|folder| folder.as_deref())
    }

    /// Returns true if the package does not come from an index.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.folder().is_some() || [&self.git, &self.url, &self.path].into_iter().any(Option::is_some)
    }
}

/// Packages that a project needs on a target, and all errors.
pub(super) fn read(text: &Text<'_>, target: &Target, chosen: &Selection) -> (Vec<LockedPackage>, Vec<BuildError>) {
    let read = || -> Result<_, BuildError> {
        let document: Document = text.parse()?;
        check(text, &document, target)?;
        let project = project(text, &document, chosen)?;
        let extra = extras(text, &document, project, chosen)?;
        Ok((document, project, extra))
    };
    let (document, project, extra) = match read() {
        Ok(read) => read,
        Err(error) => return (Vec::new(), vec![error]),
    };
    let mut walk = Walk::new(text, &document, Environment::of(target).with_extra(extra));
    walk.reach_from(project, chosen);
    let (found, mut faults) = walk.finish();
    let mut locked = Vec::new();
    for position in found.into_iter().filter(|position| *position != project) {
        match read_package(text, &document.packages[position]) {
            Ok(package) => locked.push(package),
            Err(error) => faults.push(error),
        }
    }
    (locked, faults)
}

/// Returns an error for a file of another version, or one that does not support the target.
fn check(text: &Text<'_>, document: &Document, target: &Target) -> Result<(), BuildError> {
    if document.version != 1 {
        return Err(text.file_error(format!("has the version {}, where 1 is needed", document.version)));
    }
    text.check_python(document.requires_python.as_deref(), target)?;
    text.check_environments(&document.supported_markers, &Environment::of(target))
}

/// Index of the project: the chosen one, the one in the folder of the file, or the only one.
fn project(text: &Text<'_>, document: &Document, chosen: &Selection) -> Result<usize, BuildError> {
    let packages = document.packages.iter().enumerate();
    let projects: Vec<_> = packages.filter(|(_, package)| package.source.folder().is_some()).collect();
    let name = |package: &Package| normalize_name(package.name.get_ref());
    let found = match (&chosen.project, &projects[..]) {
        (Some(wanted), all) => all.iter().find(|(_, package)| name(package) == *wanted),
        (None, [one]) => Some(one),
        (None, all) => all.iter().find(|(_, package)| package.source.folder() == Some(".")),
    };
    found.map(|(position, _)| *position).ok_or_else(|| {
        let names: Vec<_> =
            projects.iter().map(|(_, package)| format!("`{}`", name(package).escape_default())).collect();
        text.selection_error(match (&chosen.project, names.is_empty()) {
            (_, true) => "it is the lock of no project".to_owned(),
            (Some(wanted), false) => format!("it has no project `{wanted}`; there are {}", names.join(", ")),
            (None, false) => format!("it has the projects {}: choose one as `project`", names.join(", ")),
        })
    })
}

/// Values of `extra` for the selection. Returns an error for names that the project lacks, or that conflict.
fn extras(
    text: &Text<'_>,
    document: &Document,
    project: usize,
    chosen: &Selection,
) -> Result<BTreeSet<String>, BuildError> {
    let package = &document.packages[project];
    let name = package.name.get_ref().as_str();
    let of_lists = |lists: &BTreeMap<String, Vec<Dependency>>| lists.keys().map(|name| normalize_name(name)).collect();
    let (mut extras, mut groups): (BTreeSet<_>, BTreeSet<_>) =
        (of_lists(&package.optional_dependencies), of_lists(&package.dev_dependencies));
    extras.extend(package.metadata.provides_extras.iter().map(|name| normalize_name(name)));
    groups.extend(package.metadata.requires_dev.keys().map(|name| normalize_name(name)));
    text.check_known("extra", &chosen.extras, &extras)?;
    text.check_known("group", &chosen.groups().map(str::to_owned).collect(), &groups)?;
    let extras = package.with_own_extras(chosen);
    let chosen = &Selection { extras, ..chosen.clone() };
    for conflict in &document.conflicts {
        check_conflict(text, conflict, name, chosen)?;
    }
    let of_extras = chosen.extras.iter().map(|extra| value("extra", name, extra));
    let of_groups = chosen.groups().map(|group| value("group", name, group));
    let of_project = format!("project-{}-{name}", name.len());
    Ok(of_extras.chain(of_groups).chain([of_project]).collect())
}

/// Encodes an extra or a group of a package as a value of `extra`, as uv does.
pub(super) fn value(noun: &str, package: &str, name: &str) -> String {
    format!("{noun}-{}-{package}-{name}", package.len())
}

fn check_conflict(text: &Text<'_>, conflict: &[Conflict], project: &str, chosen: &Selection) -> Result<(), BuildError> {
    let has_extra = |name: &String| chosen.extras.contains(name);
    let has_group = |name: &String| chosen.groups().any(|group| group == name);
    let is_chosen = |one: &&Conflict| {
        let is_named = one.extra.as_ref().is_some_and(has_extra) || one.group.as_ref().is_some_and(has_group);
        one.package == project && is_named
    };
    let named = |one: &Conflict| match (&one.extra, &one.group) {
        (Some(extra), _) => format!("the extra `{}`", extra.escape_default()),
        (None, group) => format!("the group `{}`", group.as_deref().unwrap_or_default().escape_default()),
    };
    let both: Vec<_> = conflict.iter().filter(is_chosen).map(named).collect();
    if both.len() < 2 {
        return Ok(());
    }
    let what = format!("the project says that {} exclude one another", both.join(" and "));
    Err(BuildError::at(codes::PROJECT_CONFLICT, Place::file(text.path()), what))
}

impl Package {
    /// The chosen extras, with further ones of the same project that they require.
    fn with_own_extras(&self, chosen: &Selection) -> BTreeSet<String> {
        let mut extras = chosen.extras.clone();
        loop {
            let lists = extras.iter().filter_map(|extra| self.optional_dependencies.get(extra));
            let own = lists.flatten().filter(|edge| edge.name == *self.name.get_ref()).flat_map(|edge| &edge.extra);
            let more: BTreeSet<String> = own.filter(|extra| !extras.contains(*extra)).cloned().collect();
            if more.is_empty() {
                return extras;
            }
            extras.extend(more);
        }
    }
}

/// A package with its files, or the error why none of its files can go into a bundle.
fn read_package(text: &Text<'_>, package: &Package) -> Result<LockedPackage, BuildError> {
    let elsewhere = |what: &str| text.fault(&package.name, codes::REQUIREMENT_ELSEWHERE, what.to_owned());
    let source = &package.source;
    if source.git.is_some() {
        return Err(elsewhere("is taken from a Git repository, which no index has"));
    }
    if source.folder().is_some() {
        return Err(elsewhere("is a folder of one machine, which no index has: publish it as a wheel"));
    }
    if source.path.is_some() {
        return Err(elsewhere("is a file of one machine, which no index has: publish it as a wheel"));
    }
    let files = package.wheels.iter().chain(&package.sdist).map(|file| File {
        name: file.filename.as_deref(),
        url: file.url.as_deref().or(source.url.as_deref()),
        sha256: file.hash.as_deref().and_then(digits),
        size: file.size,
    });
    let version = package.version.as_deref();
    text.to_locked(WrittenPackage {
        name: &package.name,
        version,
        files: files.collect(),
        is_direct: source.url.is_some(),
    })
}
