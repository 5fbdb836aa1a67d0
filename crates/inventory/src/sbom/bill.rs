//! The contents of a bill, independent of its format.

use std::collections::BTreeMap;

use landfall_bundle_spec::Sha256;
use landfall_packages::normalize_name;
use landfall_packages::npm::package_of_path;
use landfall_release_document::{ArtifactEntry, ArtifactFile, ArtifactKind, ImageEntry};
use sha2::Digest as _;

use super::Subject;
use crate::document::ChartEntry;
use crate::image::UnreadFile;
use crate::package::{Package, PackageKind};
use crate::purl;

/// The class of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// The whole release.
    Release,
    /// A container image.
    Image,
    /// A package of an image, a wheel, or a tarball of npm.
    Package,
    /// Programs for the node.
    Programs,
    /// Models.
    Model,
    /// Other files that form one artifact.
    Data,
    /// A single file.
    File,
    /// A chart from which objects were rendered.
    Chart,
}

/// An item of a bill.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Class of the item.
    pub class: Class,
    /// Unique identifier of the item within the bill.
    pub id: String,
    /// Name of the item.
    pub name: String,
    /// Version, if it has one.
    pub version: Option<String>,
    /// Package URL, if it has one.
    pub purl: Option<String>,
    /// Declared license.
    pub license: Option<String>,
    /// SHA-256 of its bytes, or of its manifest.
    pub sha256: Option<Sha256>,
    /// Files of it that list packages and were not read.
    pub unread: Vec<UnreadFile>,
    /// Positions in the bill of the items that it contains.
    pub contains: Vec<usize>,
}

/// A bill of materials, independent of its format.
#[derive(Debug, Clone)]
pub struct Bill {
    /// Build time of the bundle in RFC 3339.
    pub(super) created: String,
    /// Identifier of the bill, derived from the bundle's id and the bill's subject.
    pub(super) key: Sha256,
    /// All items; the first is the subject of the bill.
    pub(super) items: Vec<Item>,
}

impl Bill {
    /// Creates the bill of a whole bundle.
    pub fn of_bundle(subject: &Subject<'_>) -> Self {
        let release = subject.release;
        let mut making = BillDraft::new(subject);
        let top = making.push(Item {
            version: Some(release.version.clone()),
            ..item(Class::Release, format!("release:{}", release.name), &release.name)
        });
        let program =
            Item { sha256: Some(subject.installer), ..item(Class::File, "file:landfall".to_owned(), "landfall") };
        let mut contains = vec![making.push(program)];
        contains.extend(release.images.iter().map(|image| making.image(image)));
        contains.extend(release.artifacts.iter().map(|artifact| making.artifact(artifact)));
        let charts = &subject.inventory.charts;
        contains.extend(charts.iter().filter(|entry| entry.path.is_none()).map(|entry| making.chart(entry, charts)));
        making.items[top].contains = contains;
        making.bill("bundle")
    }

    /// Creates the bill of one image of a bundle.
    pub fn of_image(subject: &Subject<'_>, image: &ImageEntry) -> Self {
        let mut making = BillDraft::new(subject);
        making.image(image);
        making.bill(&image.manifest.digest.to_string())
    }
}

/// A bill in preparation.
struct BillDraft<'a> {
    subject: &'a Subject<'a>,
    items: Vec<Item>,
    /// Positions of packages, by package URL.
    packages: BTreeMap<String, usize>,
}

impl<'a> BillDraft<'a> {
    fn new(subject: &'a Subject<'a>) -> Self {
        Self { subject, items: Vec::new(), packages: BTreeMap::new() }
    }

    fn push(&mut self, item: Item) -> usize {
        self.items.push(item);
        self.items.len() - 1
    }

    fn bill(self, about: &str) -> Bill {
        let key = sha2::Sha256::new_with_prefix(b"landfall.dev/sbom\0").chain_update(self.subject.id.0);
        let key = Sha256(key.chain_update(about.as_bytes()).finalize().into());
        Bill { created: self.subject.identity.built_at.clone(), key, items: self.items }
    }

    fn image(&mut self, image: &ImageEntry) -> usize {
        let inventory = self.subject.inventory;
        let known = inventory.image(&image.reference);
        let (repository, tag) = purl::split_tag(&image.reference);
        let architecture = self.subject.release.platform.split_once('/').map(|(_, architecture)| architecture);
        let digest = image.manifest.digest.to_string();
        let position = self.push(Item {
            version: tag.map(str::to_owned),
            purl: Some(purl::oci(&image.reference, &digest, architecture)),
            license: known.and_then(|image| image.license.clone()),
            sha256: Some(image.manifest.digest),
            unread: known.map(|image| image.unread.clone()).unwrap_or_default(),
            ..item(Class::Image, format!("image:{}", image.reference), repository)
        });
        let packages: Vec<_> = known.into_iter().flat_map(|image| inventory.packages_of(image)).collect();
        let mut contains: Vec<_> = packages.into_iter().map(|package| self.package(package)).collect();
        // Names that differ only in case have the same package URL.
        contains.sort_unstable();
        contains.dedup();
        self.items[position].contains = contains;
        position
    }

    fn package(&mut self, package: &Package) -> usize {
        let url = package.purl();
        if let Some(position) = self.packages.get(&url) {
            return *position;
        }
        let position = self.push(Item {
            version: Some(package.version.clone()),
            license: package.license.clone(),
            purl: Some(url.clone()),
            ..item(Class::Package, url.clone(), &package.name)
        });
        self.packages.insert(url, position);
        position
    }

    fn artifact(&mut self, artifact: &ArtifactEntry) -> usize {
        let class = match artifact.kind {
            ArtifactKind::Node => Class::Programs,
            ArtifactKind::Model => Class::Model,
            ArtifactKind::Wheels | ArtifactKind::Npm | ArtifactKind::Files => Class::Data,
        };
        let (_, tag) = purl::split_tag(&artifact.reference);
        let license = self.subject.inventory.artifact_license(&artifact.name).map(str::to_owned);
        let position = self.push(Item {
            version: tag.map(str::to_owned),
            purl: Some(purl::oci(&artifact.reference, &artifact.manifest.digest.to_string(), None)),
            license: license.clone(),
            sha256: Some(artifact.manifest.digest),
            ..item(class, format!("artifact:{}", artifact.name), &artifact.name)
        });
        let inventory = self.subject.inventory;
        let contains = artifact.files.iter().map(|entry| {
            let license = inventory.file_license(&artifact.name, &entry.path).map(str::to_owned);
            self.push(Item { license, ..file(artifact, entry) })
        });
        self.items[position].contains = contains.collect();
        position
    }

    /// Adds a component's chart and its subcharts.
    fn chart(&mut self, entry: &ChartEntry, all: &[ChartEntry]) -> usize {
        let position = self.push(chart(entry));
        let within = all.iter().filter(|other| other.path.is_some() && other.component == entry.component);
        self.items[position].contains = within.map(|other| self.push(chart(other))).collect();
        position
    }
}

fn item(class: Class, id: String, name: &str) -> Item {
    Item {
        class,
        id,
        name: name.to_owned(),
        version: None,
        purl: None,
        license: None,
        sha256: None,
        unread: Vec::new(),
        contains: Vec::new(),
    }
}

/// Returns the item of an artifact's file. A wheel is a package named by its file name, and a tarball is a package
/// named by its path.
fn file(artifact: &ArtifactEntry, file: &ArtifactFile) -> Item {
    let id = format!("file:{}/{}", artifact.name, file.path);
    let plain = Item { sha256: Some(file.blob.digest), ..item(Class::File, id, &file.path) };
    let package = match artifact.kind {
        ArtifactKind::Wheels => wheel(&file.path).map(|found| (PackageKind::Pypi, found)),
        ArtifactKind::Npm => package_of_path(&file.path).map(|found| (PackageKind::Npm, found)),
        ArtifactKind::Node | ArtifactKind::Model | ArtifactKind::Files => None,
    };
    match package {
        Some((kind, (name, version))) => Item {
            class: Class::Package,
            purl: Some(purl::of(kind, &name, &version)),
            name,
            version: Some(version),
            ..plain
        },
        None => plain,
    }
}

/// Returns the name and version in the file name of a wheel.
fn wheel(path: &str) -> Option<(String, String)> {
    let stem = path.rsplit('/').next()?.strip_suffix(".whl")?;
    let mut parts = stem.split('-');
    let (name, version) = (parts.next()?, parts.next()?);
    let is_wheel = parts.count() >= 3 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte));
    is_wheel.then(|| (normalize_name(name), version.to_owned()))
}

fn chart(entry: &ChartEntry) -> Item {
    let url = entry.reference.as_ref().zip(entry.digest);
    let below = entry.path.as_ref().map(|path| format!("/{path}")).unwrap_or_default();
    let id = format!("chart:{}{below}", entry.component);
    Item {
        version: Some(entry.version.clone()),
        purl: url.map(|(reference, digest)| purl::oci(reference, &digest.to_string(), None)),
        license: entry.license.clone(),
        sha256: entry.digest,
        ..item(Class::Chart, id, &entry.name)
    }
}
