//! The names, versions and files of a registry. All of it is generated once from the list.

use std::collections::HashMap;

use semver::Version;

use super::error::NpmError;
use super::list::NpmList;
use super::package::NpmPackage;
use super::version;

/// Tag that clients use if a user names no version.
const LATEST: &str = "latest";

/// All versions of one package, the lowest first.
#[derive(Debug)]
pub struct Versions {
    packages: Vec<NpmPackage>,
    latest: usize,
}

impl Versions {
    /// Creates it from the packages of one name, at least one.
    fn new(mut packages: Vec<(Version, NpmPackage)>) -> Self {
        packages.sort_by(|(one, _), (other, _)| one.cmp(other));
        let stable = packages.iter().rposition(|(version, _)| version.pre.is_empty());
        let latest = stable.unwrap_or_else(|| packages.len().saturating_sub(1));
        Self { packages: packages.into_iter().map(|(_, package)| package).collect(), latest }
    }

    /// The packages, the lowest version first.
    pub fn packages(&self) -> &[NpmPackage] {
        &self.packages
    }

    /// The highest stable version, or the highest version if none is stable.
    pub fn latest(&self) -> &NpmPackage {
        &self.packages[self.latest]
    }

    /// Returns the package in a version, or with the tag `latest`.
    pub fn version(&self, version: &str) -> Option<&NpmPackage> {
        let found = self.packages.iter().find(|package| package.version == version);
        found.or_else(|| (version == LATEST).then(|| self.latest()))
    }
}

/// All names and files of a registry.
#[derive(Debug)]
pub struct Registry {
    names: HashMap<String, Versions>,
    files: usize,
}

impl Registry {
    /// Creates a registry from a list.
    pub fn new(list: NpmList) -> Result<Self, NpmError> {
        let mut names: HashMap<String, Vec<(Version, NpmPackage)>> = HashMap::new();
        let files = list.packages().len();
        for package in list.into_packages() {
            let version = version::exact(&package.version);
            let version = version.ok_or_else(|| NpmError::List(format!("{} has no version", package.path)))?;
            names.entry(package.name.clone()).or_default().push((version, package));
        }
        let names = names.into_iter().map(|(name, packages)| (name, Versions::new(packages))).collect();
        Ok(Self { names, files })
    }

    /// Returns the versions of a package.
    pub fn versions(&self, name: &str) -> Option<&Versions> {
        self.names.get(name)
    }

    /// Returns a package by its file name.
    pub fn file(&self, name: &str, file_name: &str) -> Option<&NpmPackage> {
        self.versions(name)?.packages().iter().find(|package| package.file_name() == file_name)
    }

    /// Number of names, and number of tarballs.
    pub fn counts(&self) -> (usize, usize) {
        (self.names.len(), self.files)
    }
}
