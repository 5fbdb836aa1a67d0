//! `documents/host-pack.json`: packages of distributions in a host pack, such as those of a driver. A bundle has either
//! this document or that of a release.

use std::collections::BTreeSet;

use landfall_bundle_spec::names::{is_dns_label, is_file_name, is_version};
use landfall_bundle_spec::{Error, Result, limits, read_typed};
use serde::{Deserialize, Serialize};

use crate::fields::{CheckResult, escape_shortened, require};
use crate::{Descriptor, PLATFORMS};

/// The `type` of the document.
pub const HOST_PACK_DOCUMENT_TYPE: &str = "landfall.dev/host-pack/1";

/// Name of the document in the bundle's head.
pub const HOST_PACK_DOCUMENT_NAME: &str = "documents/host-pack.json";

/// Maximum number of recipes of a host pack.
const RECIPES: usize = 100;
/// Maximum number of a distribution's versions in a recipe.
const VERSIONS: usize = 100;
/// Maximum number of packages of a recipe.
const PACKAGES: usize = 500;
/// Maximum size of a package's name or version in bytes.
const TEXT_BYTES: usize = 128;

/// A host pack, as a site reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostPackDocument {
    /// Always [`HOST_PACK_DOCUMENT_TYPE`].
    #[serde(rename = "type")]
    pub document_type: String,
    /// Name of the pack, a DNS label.
    pub name: String,
    /// Version as the vendor writes it.
    pub version: String,
    /// Monotonic counter.
    pub counter: u64,
    /// Platform of the packages, such as `linux/amd64`.
    pub platform: String,
    /// Packages by distribution.
    pub recipes: Vec<HostRecipe>,
}

/// The packages for some versions of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostRecipe {
    /// Distribution, as in `ID` of `/etc/os-release`: `debian`.
    pub distribution: String,
    /// Versions of the distribution, as in `VERSION_ID` there; `12` also matches `12.4`.
    pub versions: Vec<String>,
    /// Packages, which are installed together.
    pub packages: Vec<HostPackage>,
}

/// A package of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostPackage {
    /// Name of the package.
    pub name: String,
    /// Version as the distribution's programs print it: `580.159.04-1`, or `3:580.159.04-1.el9` with an epoch.
    pub version: String,
    /// Name of the package's file, which ends in `.deb` or `.rpm`.
    pub file: String,
    /// Contents of the file.
    pub blob: Descriptor,
}

/// The format of packages, which determines the program that installs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageFormat {
    /// Format of Debian.
    Deb,
    /// Format of RPM.
    Rpm,
}

impl PackageFormat {
    /// Returns the format of a file by its name.
    pub fn of(file: &str) -> Option<Self> {
        match file.rsplit_once('.')?.1 {
            "deb" => Some(Self::Deb),
            "rpm" => Some(Self::Rpm),
            _ => None,
        }
    }
}

impl HostPackDocument {
    /// Reads the bytes of [`HOST_PACK_DOCUMENT_NAME`] from a head. Duplicate names, unknown fields and invalid names
    /// are errors. So no name is an option of a program or leads out of a folder.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let pack: Self = read_typed(HOST_PACK_DOCUMENT_NAME, HOST_PACK_DOCUMENT_TYPE, bytes)?;
        pack.check().map_err(|reason| Error::InvalidDocument {
            name: HOST_PACK_DOCUMENT_NAME.to_owned(),
            source: reason.into(),
        })?;
        Ok(pack)
    }

    /// Returns an error for the first invalid field.
    pub fn check(&self) -> std::result::Result<(), String> {
        self.check_fields().map_err(|fault| format!("it has {fault}"))
    }

    fn check_fields(&self) -> CheckResult {
        require(is_dns_label(&self.name), || format!("the name `{}`", escape_shortened(&self.name)))?;
        require(is_version(&self.version), || format!("the version `{}`", escape_shortened(&self.version)))?;
        let is_known = PLATFORMS.contains(&self.platform.as_str());
        require(is_known, || format!("the platform `{}`", escape_shortened(&self.platform)))?;
        let count = self.recipes.len();
        require((1..=RECIPES).contains(&count), || format!("{count} recipes, where 1 to {RECIPES} are allowed"))?;
        let mut systems = BTreeSet::new();
        for recipe in &self.recipes {
            recipe.check()?;
            for version in &recipe.versions {
                let system = (recipe.distribution.as_str(), version.as_str());
                require(systems.insert(system), || format!("two recipes for {} {version}", recipe.distribution))?;
            }
        }
        Ok(())
    }

    /// Returns the recipe for a host with this `ID` and `VERSION_ID`, such as `debian 12`. A recipe for exactly this
    /// version takes precedence over one for its major version.
    pub fn recipe(&self, operating_system: &str) -> Option<&HostRecipe> {
        let (id, version) = operating_system.split_once(' ').unwrap_or((operating_system, ""));
        let of_distribution = || self.recipes.iter().filter(|recipe| recipe.distribution == id);
        let exact = of_distribution().find(|recipe| recipe.versions.iter().any(|one| one == version));
        let is_within = |one: &String| version.strip_prefix(one.as_str()).is_some_and(|rest| rest.starts_with('.'));
        exact.or_else(|| of_distribution().find(|recipe| recipe.versions.iter().any(is_within)))
    }
}

impl HostRecipe {
    fn check(&self) -> CheckResult {
        let of = &self.distribution;
        let is_id = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let is_named = (1..=63).contains(&of.len()) && of.bytes().all(is_id);
        require(is_named, || format!("the distribution `{}`", escape_shortened(of)))?;
        let count = self.versions.len();
        require((1..=VERSIONS).contains(&count), || {
            format!("{count} versions of {of}, where 1 to {VERSIONS} are allowed")
        })?;
        for version in &self.versions {
            require(is_version(version), || format!("the version `{}` of {of}", escape_shortened(version)))?;
        }
        let count = self.packages.len();
        require((1..=PACKAGES).contains(&count), || {
            format!("{count} packages for {of}, where 1 to {PACKAGES} are allowed")
        })?;
        let format = self.format();
        let (mut names, mut files) = (BTreeSet::new(), BTreeSet::new());
        for package in &self.packages {
            package.check()?;
            let is_alike = PackageFormat::of(&package.file) == format;
            require(is_alike, || format!("packages of two forms for {of}"))?;
            require(names.insert(&package.name), || format!("the package {} twice for {of}", package.name))?;
            require(files.insert(&package.file), || format!("the file {} twice for {of}", package.file))?;
        }
        Ok(())
    }

    /// Format of the packages; `None` for an unchecked recipe without a known format.
    pub fn format(&self) -> Option<PackageFormat> {
        PackageFormat::of(&self.packages.first()?.file)
    }
}

impl HostPackage {
    fn check(&self) -> CheckResult {
        let is_text = |text: &str, more: &[u8]| {
            (1..=TEXT_BYTES).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
                && text.as_bytes()[0].is_ascii_alphanumeric()
        };
        let name = &self.name;
        require(is_text(name, b".+-_"), || format!("the package `{}`", escape_shortened(name)))?;
        let is_right = is_text(&self.version, b".+-_~^:");
        require(is_right, || format!("the version `{}` of {name}", escape_shortened(&self.version)))?;
        let is_package = is_file_name(&self.file) && PackageFormat::of(&self.file).is_some();
        require(is_package, || {
            format!("the file `{}` of {name}, which ends in neither .deb nor .rpm", escape_shortened(&self.file))
        })?;
        require(self.blob.size <= limits::BLOB_BYTES, || format!("a file of {} bytes", self.blob.size))
    }
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::Sha256;

    use super::*;

    fn package(name: &str, file: &str) -> HostPackage {
        let blob = Descriptor { media_type: "application/octet-stream".to_owned(), digest: Sha256([1; 32]), size: 7 };
        HostPackage { name: name.to_owned(), version: "1:580.1-1~deb12".to_owned(), file: file.to_owned(), blob }
    }

    fn recipe(distribution: &str, versions: &[&str], file: &str) -> HostRecipe {
        HostRecipe {
            distribution: distribution.to_owned(),
            versions: versions.iter().map(|version| (*version).to_owned()).collect(),
            packages: vec![package("gpu-driver", file)],
        }
    }

    fn pack() -> HostPackDocument {
        HostPackDocument {
            document_type: HOST_PACK_DOCUMENT_TYPE.to_owned(),
            name: "gpu-driver".to_owned(),
            version: "580.1".to_owned(),
            counter: 1,
            platform: "linux/amd64".to_owned(),
            recipes: vec![
                recipe("debian", &["12", "13"], "driver.deb"),
                recipe("rhel", &["9"], "driver.rpm"),
                recipe("rhel", &["9.6"], "newer.rpm"),
            ],
        }
    }

    #[test]
    fn recipe_matches_version_prefix() {
        let pack = pack();
        let file = |system: &str| pack.recipe(system).map(|recipe| recipe.packages[0].file.clone());
        assert_eq!(file("debian 12").as_deref(), Some("driver.deb"));
        assert_eq!(file("rhel 9.4").as_deref(), Some("driver.rpm"));
        assert_eq!(file("rhel 9.6").as_deref(), Some("newer.rpm"));
        for other in ["debian 1", "debian 120", "rhel 10.1", "rhel 90", "ubuntu 12", "debian", ""] {
            assert_eq!(file(other), None, "{other}");
        }
    }

    type Edit = fn(&mut HostPackDocument);

    #[test]
    fn invalid_host_packs_are_refused() {
        let bytes = |pack: &HostPackDocument| serde_json::to_vec(pack).unwrap();
        assert_eq!(HostPackDocument::read(&bytes(&pack())).unwrap(), pack());
        let edits: [(&str, Edit); 12] = [
            ("the name `Driver`", |pack| pack.name = "Driver".to_owned()),
            ("the platform `linux/mips`", |pack| pack.platform = "linux/mips".to_owned()),
            ("0 recipes", |pack| pack.recipes.clear()),
            ("0 versions of debian", |pack| pack.recipes[0].versions.clear()),
            ("0 packages for debian", |pack| pack.recipes[0].packages.clear()),
            ("two recipes for debian 12", |pack| pack.recipes[1] = pack.recipes[0].clone()),
            ("the package `--force-all`", |pack| pack.recipes[0].packages[0].name = "--force-all".to_owned()),
            ("the version `-1` of gpu-driver", |pack| pack.recipes[0].packages[0].version = "-1".to_owned()),
            ("the file `../driver.deb`", |pack| pack.recipes[0].packages[0].file = "../driver.deb".to_owned()),
            ("the file `driver.sh`", |pack| pack.recipes[0].packages[0].file = "driver.sh".to_owned()),
            ("packages of two forms", |pack| pack.recipes[0].packages.push(package("more", "more.rpm"))),
            ("gpu-driver twice", |pack| pack.recipes[0].packages.push(package("gpu-driver", "more.deb"))),
        ];
        for (what, edit) in edits {
            let mut changed = pack();
            edit(&mut changed);
            let error = HostPackDocument::read(&bytes(&changed)).unwrap_err();
            let reason = std::error::Error::source(&error).unwrap().to_string();
            assert!(reason.contains(what), "{what}: {reason}");
        }
        let other = String::from_utf8(bytes(&pack())).unwrap().replace("host-pack/1", "host-pack/2");
        assert!(matches!(HostPackDocument::read(other.as_bytes()), Err(Error::WrongType { .. })));
    }
}
