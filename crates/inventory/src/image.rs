//! The inventory of an image from its files: its packages, its distribution, and the files that could not be read.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::package::{Package, PackageKind};
use crate::read::{FileContents, package_of, short};
use crate::system::System;

/// A file that lists packages and was not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnreadFile {
    /// Path in the image.
    pub path: String,
    /// Reason, in words.
    pub reason: String,
}

/// The packages and other facts of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageInventory {
    /// Packages of the image, sorted and without duplicates.
    pub packages: Vec<Package>,
    /// Distribution of the image, if stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
    /// Files that list packages and were not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<UnreadFile>,
}

impl ImageInventory {
    /// Combines the contents of an image's files, each with its path in the image. A file with links to it has several
    /// paths.
    pub fn of(found: impl IntoIterator<Item = (String, FileContents)>) -> Self {
        let (mut packages, mut unread, mut system) = (BTreeSet::new(), Vec::new(), None);
        let mut licenses = BTreeMap::new();
        for (path, found) in found {
            match found {
                FileContents::Packages(found) => packages.extend(found),
                // Both paths of os-release name the same file, or the one in /etc was written by hand.
                FileContents::System(found) if system.is_none() || path.starts_with("/etc/") => system = Some(found),
                FileContents::System(_) => {}
                FileContents::License(license) => {
                    licenses.extend(package_of(&path).map(|package| (package.to_owned(), license)));
                }
                FileContents::Unread(reason) => unread.push(UnreadFile { path: short(&path), reason }),
            }
        }
        unread.sort_by(|a, b| a.path.cmp(&b.path));
        let more = unread.len().saturating_sub(limits::UNREAD);
        unread.truncate(limits::UNREAD);
        if more > 0 {
            unread.push(UnreadFile { path: "/".to_owned(), reason: format!("{more} more files could not be read") });
        }
        let of_system = |package: Package| in_system(with_license(package, &licenses), system.as_ref());
        let packages: BTreeSet<Package> = packages.into_iter().map(of_system).collect();
        Self { packages: packages.into_iter().collect(), system, unread }
    }
}

/// Adds a license to a package: dpkg's database has none, but the package's `copyright` file does.
fn with_license(package: Package, licenses: &BTreeMap<String, String>) -> Package {
    match licenses.get(&package.name) {
        Some(license) if package.kind == PackageKind::Deb => Package { license: Some(license.clone()), ..package },
        _ => package,
    }
}

fn in_system(package: Package, system: Option<&System>) -> Package {
    if !package.kind.is_of_system() {
        return package;
    }
    let fallback = || (package.kind == PackageKind::Deb).then(|| "debian".to_owned());
    Package {
        distribution: system.map(|system| system.distribution.clone()).or_else(fallback),
        distribution_version: system.and_then(|system| system.version.clone()),
        ..package
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{Source, read};

    #[test]
    fn debian_licenses_come_from_copyright_files() {
        let read = |source, text: &str| read(source, text.len() as u64, text.as_bytes()).expect("bytes in memory");
        let status = "Package: libgcc-s1\nVersion: 14\n\nPackage: silent\nVersion: 1\n";
        let copyright = "Format: x\n\nFiles: *\nLicense: GPL-3+\n";
        let found = [
            ("/usr/share/doc/gcc-14-base/copyright", read(Source::Copyright, copyright)),
            ("/usr/share/doc/libgcc-s1/copyright", read(Source::Copyright, copyright)),
            ("/usr/share/doc/silent/copyright", read(Source::Copyright, "No license is named here.\n")),
            ("/var/lib/dpkg/status", read(Source::Dpkg, status)),
        ];
        let inventory = ImageInventory::of(found.map(|(path, found)| (path.to_owned(), found)));
        let licenses: Vec<_> =
            inventory.packages.iter().map(|package| (package.name.as_str(), package.license.as_deref())).collect();
        assert_eq!(licenses, [("libgcc-s1", Some("GPL-3.0-or-later")), ("silent", None)]);
        assert_eq!(inventory.unread, []);
    }
}
