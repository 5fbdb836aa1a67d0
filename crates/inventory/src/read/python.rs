//! Reader of the core metadata of Python packages.

use std::io::{self, BufRead};

use landfall_packages::normalize_name;

use super::{license, lines};
use crate::package::{Package, PackageKind};

/// Reads the package that the metadata describes. Its fields end at the first empty line.
pub fn metadata(file: impl BufRead) -> io::Result<Result<Vec<Package>, String>> {
    let (mut name, mut version, mut expression, mut words) = (None, None, None, None);
    let mut classifiers = Vec::new();
    lines::each_line(file, |line| {
        if line.is_empty() {
            return false;
        }
        let Some((field, value)) = line.split_once(':') else { return true };
        let value = value.trim();
        match field.to_ascii_lowercase().as_str() {
            "name" => name = name.take().or_else(|| Some(normalize_name(value))),
            "version" => version = version.take().or_else(|| Some(value.to_owned())),
            "license-expression" => expression = license(value),
            "license" => words = license(value),
            "classifier" if classifiers.len() < 8 => {
                let found = value.strip_prefix("License :: ").and_then(|rest| rest.rsplit(" :: ").next());
                classifiers.extend(found.filter(|found| *found != "OSI Approved").and_then(license));
            }
            _ => {}
        }
        true
    })?;
    let (Some(name), Some(version)) = (name, version) else {
        return Ok(Err("it names no package or no version".to_owned()));
    };
    let by_classifiers = || license(&classifiers.join(", "));
    let license = expression.or(words).or_else(by_classifiers);
    Ok(Package::new(PackageKind::Pypi, &name, &version).map(|package| vec![Package { license, ..package }]))
}
