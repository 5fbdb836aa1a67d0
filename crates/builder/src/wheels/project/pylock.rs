//! `pylock.toml` (PEP 751): a list of packages, each with a marker that states where it applies.

use std::collections::{BTreeMap, BTreeSet};

use landfall_error_codes::{CodedError as _, codes};
use landfall_packages::normalize_name;
use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

use super::super::marker::{self, Environment};
use super::super::target::Target;
use super::files::{File, is_wheel};
use super::text::{Text, WrittenPackage};
use super::{LockedPackage, Selection};
use crate::error::BuildError;

/// The file, parsed leniently because other tools write it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    lock_version: String,
    #[serde(default)]
    environments: Vec<String>,
    #[serde(default)]
    requires_python: Option<String>,
    #[serde(default)]
    extras: Vec<String>,
    #[serde(default)]
    dependency_groups: Vec<String>,
    #[serde(default)]
    default_groups: Vec<String>,
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    name: Spanned<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    marker: Option<String>,
    #[serde(default)]
    requires_python: Option<String>,
    #[serde(default)]
    vcs: Option<IgnoredAny>,
    #[serde(default)]
    directory: Option<IgnoredAny>,
    #[serde(default)]
    archive: Option<Distribution>,
    #[serde(default)]
    sdist: Option<Distribution>,
    #[serde(default)]
    wheels: Vec<Distribution>,
}

/// A wheel or a source distribution.
#[derive(Debug, Deserialize)]
struct Distribution {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

impl Distribution {
    fn file(&self) -> File<'_> {
        File {
            name: self.name.as_deref(),
            url: self.url.as_deref(),
            sha256: self.hashes.get("sha256").map(String::as_str),
            size: self.size,
        }
    }
}

/// Packages that apply to a target, and all errors.
pub(super) fn read(text: &Text<'_>, target: &Target, chosen: &Selection) -> (Vec<LockedPackage>, Vec<BuildError>) {
    let document: Document = match text.parse() {
        Ok(document) => document,
        Err(error) => return (Vec::new(), vec![error]),
    };
    let environment = match environment(text, &document, target, chosen) {
        Ok(environment) => environment,
        Err(error) => return (Vec::new(), vec![error]),
    };
    let (mut locked, mut faults) = (Vec::new(), Vec::new());
    for package in &document.packages {
        match applies(text, package, &environment, target) {
            Ok(false) => {}
            Ok(true) => match read_package(text, package) {
                Ok(package) => locked.push(package),
                Err(error) => faults.push(error),
            },
            Err(error) => faults.push(error),
        }
    }
    (locked, faults)
}

/// Environment for markers. Returns an error if the file does not support the target, or lacks a chosen extra or group.
fn environment<'a>(
    text: &Text<'_>,
    document: &Document,
    target: &'a Target,
    chosen: &Selection,
) -> Result<Environment<'a>, BuildError> {
    if document.lock_version.split('.').next() != Some("1") {
        let version = document.lock_version.escape_default();
        return Err(text.file_error(format!("has the lock-version {version}, where 1.0 is needed")));
    }
    if let Some(project) = &chosen.project {
        return Err(text.selection_error(format!("a pylock.toml names no project, so `{project}` cannot be chosen")));
    }
    text.check_python(document.requires_python.as_deref(), target)?;
    let all = |names: &[String]| names.iter().map(|name| normalize_name(name)).collect::<BTreeSet<_>>();
    let (extras, groups) = (all(&document.extras), all(&document.dependency_groups));
    let wanted = chosen.groups.clone().unwrap_or_else(|| all(&document.default_groups));
    // Default groups need not be listed.
    let known = &groups | &all(&document.default_groups);
    text.check_known("extra", &chosen.extras, &extras)?;
    text.check_known("group", &wanted, &known)?;
    let environment = Environment::of(target).with_names(chosen.extras.clone(), wanted);
    text.check_environments(&document.environments, &environment)?;
    Ok(environment)
}

/// Returns true if a package applies to the environment.
fn applies(
    text: &Text<'_>,
    package: &Package,
    environment: &Environment<'_>,
    target: &Target,
) -> Result<bool, BuildError> {
    let holds = package.marker.as_deref().map_or(Ok(true), |marker| marker::holds(marker, environment));
    let holds = holds.map_err(|unknown| {
        let (code, what) = unknown.refusal(codes::PROJECT_LOCK_UNREADABLE);
        text.fault(&package.name, code, what)
    })?;
    if holds && let Err(error) = text.check_python(package.requires_python.as_deref(), target) {
        let (code, what) = match error.code() {
            codes::PYTHON_PATCH => (codes::PYTHON_PATCH, "may not run on the target"),
            _ => (codes::WHEEL_FOR_OTHERS, "does not run on the target"),
        };
        return Err(text.fault(&package.name, code, what.to_owned()).because(error));
    }
    Ok(holds)
}

/// A package with its files, or the error why none of its files can go into a bundle.
fn read_package(text: &Text<'_>, package: &Package) -> Result<LockedPackage, BuildError> {
    let elsewhere = |what: &str| text.fault(&package.name, codes::REQUIREMENT_ELSEWHERE, what.to_owned());
    if package.vcs.is_some() {
        return Err(elsewhere("is taken from a repository of source code, which no index has"));
    }
    if package.directory.is_some() {
        return Err(elsewhere("is a folder of one machine, which no index has"));
    }
    let archive = package.archive.as_ref();
    if archive.is_some_and(|archive| !archive.url.as_deref().is_some_and(is_wheel)) {
        return Err(elsewhere("is an archive with an address of its own, and no wheel"));
    }
    let files = package.wheels.iter().chain(&package.sdist).chain(archive).map(Distribution::file).collect();
    let version = package.version.as_deref();
    text.to_locked(WrittenPackage { name: &package.name, version, files, is_direct: archive.is_some() })
}
