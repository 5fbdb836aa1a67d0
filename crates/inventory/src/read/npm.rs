//! Reader of `package.json` of installed npm packages.

use std::io::{self, BufRead, Read as _};

use serde::Deserialize;
use serde_json::Value;

use super::license;
use crate::limits;
use crate::package::{Package, PackageKind};

#[derive(Deserialize)]
struct Manifest {
    name: Option<String>,
    version: Option<String>,
    #[serde(default)]
    license: Value,
}

/// Reads the package that a manifest describes. A manifest without a name or a version is in a folder of another
/// package.
pub fn package(file: impl BufRead) -> io::Result<Result<Vec<Package>, String>> {
    let mut bytes = Vec::new();
    file.take(limits::METADATA_BYTES).read_to_end(&mut bytes)?;
    let manifest: Manifest = match serde_json::from_slice(&bytes) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(Err(format!("it is not the manifest of a package: {error}"))),
    };
    let (Some(name), Some(version)) = (manifest.name, manifest.version) else { return Ok(Ok(Vec::new())) };
    // In old manifests, the license is an object with a type.
    let words = manifest.license.as_str().or_else(|| manifest.license["type"].as_str());
    let license = words.and_then(license);
    Ok(Package::new(PackageKind::Npm, &name, &version).map(|package| vec![Package { license, ..package }]))
}
