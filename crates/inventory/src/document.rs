//! `documents/inventory.json`: the packages of a release's images, and the licenses and charts of its other contents.

use std::collections::{BTreeMap, BTreeSet};

use landfall_bundle_spec::{Error, Sha256, read_typed, to_canonical};
use serde::{Deserialize, Serialize};

use crate::image::{ImageInventory, UnreadFile};
use crate::limits;
use crate::package::{Package, check_text};

/// The `type` of the document.
pub const INVENTORY_DOCUMENT_TYPE: &str = "landfall.dev/inventory/1";

/// Name of the document in the bundle's head.
pub const INVENTORY_DOCUMENT_NAME: &str = "documents/inventory.json";

/// The contents of a release, in addition to those in the release document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InventoryDocument {
    /// Always [`INVENTORY_DOCUMENT_TYPE`].
    #[serde(rename = "type")]
    pub document_type: String,
    /// Every package of every image, without duplicates, in a fixed order.
    pub packages: Vec<Package>,
    /// The images, in the order of the release.
    pub images: Vec<ImagePackages>,
    /// Licenses of artifacts, if recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<ArtifactLicense>,
    /// Licenses of wheels and npm packages, by artifact and path, if they declare one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileLicense>,
    /// Charts from which components were rendered, each followed by its subcharts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charts: Vec<ChartEntry>,
}

/// The packages and other facts of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagePackages {
    /// Full upstream reference.
    pub reference: String,
    /// Distribution of the image, such as `debian 13`, if stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// License of the image, if stated in the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Packages of the image, as positions in the document's list, ascending.
    pub packages: Vec<u32>,
    /// Files of the image that list packages and were not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<UnreadFile>,
}

/// The license of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactLicense {
    /// Name of the artifact.
    pub name: String,
    /// License of the artifact.
    pub license: String,
}

/// The license that a file of an artifact declares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileLicense {
    /// Name of the artifact.
    pub artifact: String,
    /// Path of the file in the artifact.
    pub path: String,
    /// License of the file.
    pub license: String,
}

/// A chart from which a component was rendered, or a subchart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChartEntry {
    /// Name of the component.
    pub component: String,
    /// Name of the chart.
    pub name: String,
    /// Version of the chart.
    pub version: String,
    /// Folder in the component's chart, such as `charts/cache`; `None` for that chart itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// License of the chart, if stated in the lock or the chart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Reference by which the lock pins the chart; `None` for a folder of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// SHA-256 of the archive or manifest that the lock pins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Sha256>,
}

/// An image that was read for the document.
#[derive(Debug, Clone)]
pub struct ReadImage {
    /// Full upstream reference.
    pub reference: String,
    /// License of the image, if stated in the lock.
    pub license: Option<String>,
    /// Contents of its layers.
    pub inventory: ImageInventory,
}

impl InventoryDocument {
    /// Creates a document of these images. A package that two images describe with different licenses gets the first
    /// one. Fails, with the reason, if there is more than a head may list.
    pub fn new(
        images: &[ReadImage],
        artifacts: Vec<ArtifactLicense>,
        mut files: Vec<FileLicense>,
        charts: Vec<ChartEntry>,
    ) -> Result<Self, String> {
        files.sort();
        let all = images.iter().flat_map(|image| &image.inventory.packages);
        let mut by_identity: BTreeMap<Package, Package> = BTreeMap::new();
        for package in all {
            by_identity.entry(identity(package)).or_insert_with(|| package.clone());
        }
        let position: BTreeMap<&Package, u32> = by_identity.keys().zip(0..).collect();
        let listed = |image: &ReadImage| {
            let positions = image.inventory.packages.iter().filter_map(|package| position.get(&identity(package)));
            ImagePackages {
                reference: image.reference.clone(),
                system: image.inventory.system.as_ref().map(|system| {
                    let version = system.version.as_ref().map(|version| format!(" {version}"));
                    system.distribution.clone() + &version.unwrap_or_default()
                }),
                license: image.license.clone(),
                packages: positions.copied().collect::<BTreeSet<_>>().into_iter().collect(),
                unread: image.inventory.unread.clone(),
            }
        };
        let images = images.iter().map(listed).collect();
        let document = Self {
            document_type: INVENTORY_DOCUMENT_TYPE.to_owned(),
            packages: by_identity.into_values().collect(),
            images,
            artifacts,
            files,
            charts,
        };
        document.check()?;
        Ok(document)
    }

    /// Reads the bytes of [`INVENTORY_DOCUMENT_NAME`] from a head, and checks every text and position.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let document: Self = read_typed(INVENTORY_DOCUMENT_NAME, INVENTORY_DOCUMENT_TYPE, bytes)?;
        document.check().map_err(|reason| Error::InvalidDocument {
            name: INVENTORY_DOCUMENT_NAME.to_owned(),
            source: reason.into(),
        })?;
        Ok(document)
    }

    /// Returns the canonical bytes of the document.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        to_canonical(INVENTORY_DOCUMENT_NAME, self)
    }

    /// Returns the entry of an image, by its full reference.
    pub fn image(&self, reference: &str) -> Option<&ImagePackages> {
        self.images.iter().find(|image| image.reference == reference)
    }

    /// The packages of an image, in order.
    pub fn packages_of<'a>(&'a self, image: &'a ImagePackages) -> impl Iterator<Item = &'a Package> {
        image.packages.iter().filter_map(|position| self.packages.get(*position as usize))
    }

    /// Returns the recorded license of an artifact.
    pub fn artifact_license(&self, name: &str) -> Option<&str> {
        let found = self.artifacts.iter().find(|artifact| artifact.name == name);
        found.map(|artifact| artifact.license.as_str())
    }

    /// Returns the license that a wheel or an npm package of an artifact declares.
    pub fn file_license(&self, artifact: &str, path: &str) -> Option<&str> {
        let key = |file: &FileLicense| (file.artifact.as_str(), file.path.as_str()).cmp(&(artifact, path));
        let found = self.files.binary_search_by(key).ok()?;
        Some(self.files[found].license.as_str())
    }

    fn check(&self) -> Result<(), String> {
        let uses: usize = self.images.iter().map(|image| image.packages.len()).sum();
        let entries = self.images.len().max(self.artifacts.len()).max(self.charts.len());
        if self.packages.len() > limits::PACKAGES || uses > limits::USES || entries > limits::ENTRIES {
            let (packages, all) = (limits::PACKAGES, limits::USES);
            return Err(format!(
                "it lists {} packages, {uses} in all images together, where {packages} and {all} are the most",
                self.packages.len()
            ));
        }
        if self.files.len() > limits::PACKAGES || !self.files.is_sorted_by(|a, b| a < b) {
            return Err("its files are not in order, or too many".to_owned());
        }
        self.packages.iter().try_for_each(Package::check)?;
        if !self.packages.iter().map(identity).is_sorted_by(|a, b| a < b) {
            return Err("its packages are not in order, or one is listed twice".to_owned());
        }
        self.images.iter().try_for_each(|image| image.check(self.packages.len()))?;
        let texts = self.artifacts.iter().flat_map(|artifact| [&artifact.name, &artifact.license]);
        let of_charts = self.charts.iter().flat_map(|chart| {
            let stated = [&chart.path, &chart.license, &chart.reference].into_iter().flatten();
            [&chart.component, &chart.name, &chart.version].into_iter().chain(stated)
        });
        let of_files = self.files.iter().map(|file| &file.license);
        let paths = self.files.iter().flat_map(|file| [&file.artifact, &file.path]);
        if paths.into_iter().any(|path| path.len() > limits::PATH_BYTES || path.chars().any(char::is_control)) {
            return Err("a path of it is too long, or has control characters".to_owned());
        }
        texts
            .chain(of_charts)
            .chain(of_files)
            .try_for_each(|text| check_text("a text about an artifact or a chart", text))
    }
}

impl ImagePackages {
    fn check(&self, packages: usize) -> Result<(), String> {
        let name = &self.reference;
        let texts = std::iter::once(name).chain(&self.system).chain(&self.license);
        texts.into_iter().try_for_each(|text| check_text("a text about an image", text))?;
        let is_ascending = self.packages.is_sorted_by(|a, b| a < b);
        if !is_ascending || self.packages.last().is_some_and(|last| *last as usize >= packages) {
            return Err(format!("the packages of {name} are not in order, or not in the list"));
        }
        if self.unread.len() > limits::UNREAD + 1 {
            return Err(format!("{name} has too many unread files"));
        }
        let texts = self.unread.iter().flat_map(|file| [&file.path, &file.reason]);
        texts.into_iter().try_for_each(|text| check_text("a text about an unread file", text))
    }
}

/// Returns a package without its license, which does not identify it.
fn identity(package: &Package) -> Package {
    Package { license: None, ..package.clone() }
}
