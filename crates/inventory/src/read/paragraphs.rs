//! Readers of dpkg's and apk's databases: paragraphs of fields, separated by empty lines.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use super::{license, lines};
use crate::limits;
use crate::package::{Package, PackageKind};

type Packages = Result<Vec<Package>, String>;

/// Reads the packages that dpkg has installed. A file without a status describes an installed package.
pub fn dpkg(file: impl BufRead) -> io::Result<Packages> {
    read(file, ": ", &["Package", "Version", "Architecture", "Status"], |fields| {
        if fields.get("Status").is_some_and(|status| !status.ends_with(" installed")) {
            return Ok(None);
        }
        package(PackageKind::Deb, fields, ["Package", "Version", "Architecture"])
    })
}

/// Reads the packages that apk has installed.
pub fn apk(file: impl BufRead) -> io::Result<Packages> {
    read(file, ":", &["P", "V", "A", "L"], |fields| {
        let package = package(PackageKind::Apk, fields, ["P", "V", "A"])?;
        Ok(package.map(|package| Package { license: fields.get("L").and_then(|text| license(text)), ..package }))
    })
}

fn package(
    kind: PackageKind,
    fields: &BTreeMap<&'static str, String>,
    [name, version, architecture]: [&str; 3],
) -> Result<Option<Package>, String> {
    let (Some(name), Some(version)) = (fields.get(name), fields.get(version)) else {
        return Err("a package has no name or no version".to_owned());
    };
    let package = Package::new(kind, name, version)?;
    let package = Package { architecture: fields.get(architecture).cloned(), ..package };
    package.check()?;
    Ok(Some(package))
}

/// Reads paragraphs, and keeps only the fields with these names.
fn read(
    file: impl BufRead,
    separator: &str,
    names: &[&'static str],
    package: impl Fn(&BTreeMap<&'static str, String>) -> Result<Option<Package>, String>,
) -> io::Result<Packages> {
    let mut packages = Vec::new();
    let mut failed = None;
    let mut fields = BTreeMap::new();
    let mut end = |fields: &mut BTreeMap<&'static str, String>| {
        if !fields.is_empty() {
            match package(fields) {
                Ok(found) => packages.extend(found),
                Err(reason) => failed = Some(reason),
            }
            fields.clear();
        }
        failed.is_none() && packages.len() <= limits::PACKAGES
    };
    lines::each_line(file, |line| {
        if line.trim().is_empty() {
            return end(&mut fields);
        }
        if let Some((name, value)) = line.split_once(separator)
            && let Some(name) = names.iter().find(|known| **known == name)
        {
            fields.insert(*name, value.trim().to_owned());
        }
        true
    })?;
    end(&mut fields);
    Ok(failed.map_or(Ok(packages), Err))
}
