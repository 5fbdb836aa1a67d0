//! The list of npm packages: a signed document, in as many parts as needed, with the packages that a registry serves.

use std::collections::HashMap;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_bundle_spec::{Sha256, read_typed, to_canonical};
use serde::{Deserialize, Serialize};

use super::error::NpmError;
use super::package::NpmPackage;
use super::{name, version};
use crate::limits;
use crate::list::is_path;

/// The `type` of the document.
pub const NPM_LIST_TYPE: &str = "landfall.dev/npm/1";

/// Name of the document's file, and of its first part.
pub const NPM_LIST_NAME: &str = "npm.json";

/// Returns the file name of a part; parts are counted from 0.
pub fn part_name(part: usize) -> String {
    if part == 0 { NPM_LIST_NAME.to_owned() } else { format!("npm-{}.json", part + 1) }
}

/// A part of a list, in the form in which it is in a bundle.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    #[serde(rename = "type")]
    document_type: String,
    packages: Vec<NpmPackage>,
}

impl Part {
    fn of(packages: &[NpmPackage]) -> Self {
        Self { document_type: NPM_LIST_TYPE.to_owned(), packages: packages.to_vec() }
    }
}

/// The packages that a registry serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NpmList {
    packages: Vec<NpmPackage>,
}

impl NpmList {
    /// Creates a list of these packages. There must be at least one, without duplicate versions of a name, and the list
    /// must be small enough for a bundle's head.
    pub fn new(mut packages: Vec<NpmPackage>) -> Result<Self, NpmError> {
        packages.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
        let list = Self { packages };
        list.check()?;
        list.ranges()?;
        Ok(list)
    }

    /// Reads the parts that [`NpmList::to_parts`] wrote, in order, and checks every name and text.
    pub fn read(parts: &[Vec<u8>]) -> Result<Self, NpmError> {
        if parts.len() > limits::NPM_LIST_PARTS {
            return Err(NpmError::List(format!("it has {} parts", parts.len())));
        }
        let mut packages = Vec::new();
        for part in parts {
            if part.len() > limits::LIST_BYTES {
                return Err(NpmError::List(format!("a part has {} bytes", part.len())));
            }
            let part: Part = read_typed(NPM_LIST_NAME, NPM_LIST_TYPE, part)?;
            packages.extend(part.packages);
        }
        let list = Self { packages };
        list.check()?;
        Ok(list)
    }

    /// Returns the bytes of each part.
    pub fn to_parts(&self) -> Result<Vec<Vec<u8>>, NpmError> {
        let ranges = self.ranges()?;
        let part =
            |range: Range<usize>| to_canonical(NPM_LIST_NAME, &Part::of(&self.packages[range])).map_err(NpmError::from);
        ranges.into_iter().map(part).collect()
    }

    /// Returns the digest of all parts together, in order.
    pub fn digest(parts: &[Vec<u8>]) -> Sha256 {
        Sha256::of(parts.concat())
    }

    /// The packages, sorted by name.
    pub fn packages(&self) -> &[NpmPackage] {
        &self.packages
    }

    /// Returns all packages.
    pub fn into_packages(self) -> Vec<NpmPackage> {
        self.packages
    }

    /// Returns the range of packages in each part.
    fn ranges(&self) -> Result<Vec<Range<usize>>, NpmError> {
        let frame = to_canonical(NPM_LIST_NAME, &Part::of(&[]))?.len();
        let (mut ranges, mut start, mut bytes) = (Vec::new(), 0, frame);
        for (index, package) in self.packages.iter().enumerate() {
            let own = to_canonical(NPM_LIST_NAME, package)?.len() + 1;
            if bytes + own > limits::LIST_BYTES {
                ranges.push(start..index);
                (start, bytes) = (index, frame);
            }
            bytes += own;
        }
        ranges.push(start..self.packages.len());
        if ranges.len() > limits::NPM_LIST_PARTS {
            return Err(NpmError::TooMany { packages: self.packages.len(), parts: ranges.len() });
        }
        Ok(ranges)
    }

    fn check(&self) -> Result<(), NpmError> {
        if self.packages.is_empty() {
            return Err(NpmError::Empty);
        }
        let mut seen: HashMap<(&str, &str), &NpmPackage> = HashMap::new();
        let mut bytes: HashMap<&str, u64> = HashMap::new();
        for package in &self.packages {
            check_fields(package)?;
            if let Some(first) = seen.insert((package.name.as_str(), package.version.as_str()), package) {
                let (first, second) = (first.path.clone(), package.path.clone());
                let package = format!("{} {}", package.name, package.version);
                return Err(NpmError::Twice { package, first, second });
            }
            let bytes = bytes.entry(&package.name).or_default();
            *bytes = bytes.saturating_add(package.package_json_size);
            if *bytes > limits::NPM_DOCUMENT_BYTES {
                return Err(NpmError::Versions { name: package.name.clone(), bytes: *bytes });
            }
        }
        Ok(())
    }
}

fn check_fields(package: &NpmPackage) -> Result<(), NpmError> {
    if !is_path(&package.path) {
        return Err(NpmError::List(format!("`{}` is not a relative path", package.path.escape_default())));
    }
    let wrong = |what: &str| Err(NpmError::List(format!("{} has no {what}", package.path)));
    if !name::is_name(&package.name) {
        return wrong("name that npm allows");
    }
    if version::exact(&package.version).is_none() {
        return wrong("version as a registry writes it");
    }
    let sha512 = package.integrity.strip_prefix("sha512-").and_then(|text| STANDARD.decode(text).ok());
    if sha512.is_none_or(|digest| digest.len() != 64) {
        return wrong("integrity of 64 bytes");
    }
    let is_hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if package.shasum.len() != 40 || !package.shasum.bytes().all(is_hexadecimal) {
        return wrong("shasum of 40 digits");
    }
    if package.package_json_size > limits::PACKAGE_JSON_BYTES {
        return wrong("package.json of a possible size");
    }
    Ok(())
}
