//! Which names, versions and files a registry has. All of it is made once, from the list.

use std::collections::HashMap;

use semver::Version;

use super::error::NpmError;
use super::list::NpmList;
use super::package::NpmPackage;
use super::version;

/// The tag that clients take where a person names no version.
const LATEST: &str = "latest";

/// All versions of one package, the lowest first.
#[derive(Debug)]
pub struct Versions {
    packages: Vec<NpmPackage>,
    latest: usize,
}

impl Versions {
    /// Of packages of one name, at least one.
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

    /// The highest version, a stable one where there is one.
    pub fn latest(&self) -> &NpmPackage {
        &self.packages[self.latest]
    }

    /// The package in a version, or with the tag `latest`.
    pub fn version(&self, version: &str) -> Option<&NpmPackage> {
        let found = self.packages.iter().find(|package| package.version == version);
        found.or_else(|| (version == LATEST).then(|| self.latest()))
    }
}

/// Every name and every file of a registry.
#[derive(Debug)]
pub struct Registry {
    names: HashMap<String, Versions>,
    files: usize,
}

impl Registry {
    /// Of a list.
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

    /// The versions of a package.
    pub fn versions(&self, name: &str) -> Option<&Versions> {
        self.names.get(name)
    }

    /// A package by the name of its file.
    pub fn file(&self, name: &str, file_name: &str) -> Option<&NpmPackage> {
        self.versions(name)?.packages().iter().find(|package| package.file_name() == file_name)
    }

    /// How many names and how many tarballs there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.names.len(), self.files)
    }
}
