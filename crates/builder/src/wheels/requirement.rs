//! A requirement: a package, one version, the hashes of its files, and a marker.

use std::str::FromStr as _;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_packages::normalize_name;
use pep440_rs::{Operator, Version, VersionSpecifier, VersionSpecifiers};

use super::index::sha256;
use super::marker::{self, Environment};
use super::requirements::Refusal;
use super::target::Target;

/// Maximum length of a package's name, in bytes.
const NAME_BYTES: usize = 128;

/// A package with one required version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Line in the file, counted from 1.
    pub line: u64,
    /// Normalized name of the package.
    pub name: String,
    /// SHA-256 of each accepted file; at least one.
    pub hashes: Vec<Sha256>,
    specifier: VersionSpecifier,
    marker: Option<String>,
}

impl Requirement {
    /// The required version.
    pub fn version(&self) -> &Version {
        self.specifier.version()
    }

    /// Returns true if a version is the required one. A local version such as `2.9.1+cu128` also matches `2.9.1`.
    pub fn takes(&self, version: &Version) -> bool {
        self.specifier.contains(version)
    }

    /// Evaluates its marker for a target. Returns an error for an invalid marker.
    pub fn applies(&self, target: &Target) -> Result<bool, Refusal> {
        let holds = self.marker.as_deref().map_or(Ok(true), |marker| marker::holds(marker, &Environment::of(target)));
        holds.map_err(|unknown| unknown.refusal(codes::REQUIREMENTS_UNREADABLE))
    }

    /// Creates a requirement for exactly this version, with the hashes of its files, and without a marker because it is
    /// known to apply.
    pub fn exact(line: u64, name: String, version: Version, hashes: Vec<Sha256>) -> Self {
        Self { line, name, hashes, specifier: VersionSpecifier::equals_version(version), marker: None }
    }
}

/// The written form of a requirement, before its checks.
#[derive(Debug)]
pub(super) struct WrittenRequirement {
    line: u64,
    name: String,
    specifiers: VersionSpecifiers,
    marker: Option<String>,
    hashes: Vec<Sha256>,
    other_hashes: usize,
}

impl WrittenRequirement {
    /// Parses a line without comments.
    pub(super) fn read(line: u64, text: &str) -> Result<Self, Refusal> {
        let unreadable = |what: String| (codes::REQUIREMENTS_UNREADABLE, what);
        let options = text.find(" -").unwrap_or(text.len());
        let (requirement, options) = text.split_at(options);
        let (name, rest) = parse_name(requirement)?;
        let (versions, marker) = match rest.split_once(';') {
            Some((versions, marker)) => (versions.trim(), Some(marker.trim().to_owned())),
            None => (rest, None),
        };
        let versions = versions.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(versions);
        let specifiers = VersionSpecifiers::from_str(versions)
            .map_err(|_| unreadable(format!("`{}` is not a version as PEP 440 has it", versions.escape_default())))?;
        let (mut hashes, mut other_hashes) = (Vec::new(), 0);
        for hash in options_of(options)? {
            match hash.split_once(':') {
                Some(("sha256", digits)) => {
                    let refuse = || unreadable(format!("`{}` is not a hash", hash.escape_default()));
                    hashes.push(sha256(digits).ok_or_else(refuse)?);
                }
                _ => other_hashes += 1,
            }
        }
        Ok(Self { line, name, specifiers, marker, hashes, other_hashes })
    }

    /// The requirement, if it has one version and hashes.
    pub(super) fn into_requirement(self) -> Result<Requirement, Refusal> {
        let Self { line, name, specifiers, marker, hashes, other_hashes } = self;
        let specifier = match &specifiers[..] {
            [one] if *one.operator() == Operator::Equal => one.clone(),
            [] => return Err((codes::REQUIREMENT_UNPINNED, "names no version".to_owned())),
            _ => {
                let what = format!("`{specifiers}` is not one version: write `==` and a version");
                return Err((codes::REQUIREMENT_UNPINNED, what));
            }
        };
        if hashes.is_empty() {
            let what = match other_hashes {
                0 => "has no hash".to_owned(),
                _ => "has hashes, and none of them is a SHA-256".to_owned(),
            };
            return Err((codes::REQUIREMENT_UNHASHED, what));
        }
        Ok(Requirement { line, name, hashes, specifier, marker })
    }
}

/// Normalized name at the start of a requirement, and the text after its extras.
fn parse_name(text: &str) -> Result<(String, &str), Refusal> {
    let elsewhere = |what: &str| Err((codes::REQUIREMENT_ELSEWHERE, what.to_owned()));
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let end = text.find(|letter: char| !is_of_name(letter)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest = rest.trim_start();
    let is_path = rest.starts_with(['/', '\\', ':', '+']) || name.starts_with('.');
    if is_path || [".whl", ".zip", ".tar.gz"].iter().any(|ending| name.ends_with(ending)) {
        return elsewhere("is a path or a URL, which no index has");
    }
    let (first, last) = (name.bytes().next(), name.bytes().last());
    let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !is_end(first) || !is_end(last) || name.len() > NAME_BYTES {
        return Err((codes::REQUIREMENTS_UNREADABLE, "does not begin with the name of a package".to_owned()));
    }
    let rest = match rest.strip_prefix('[') {
        Some(extras) => match extras.split_once(']') {
            Some((_, rest)) => rest.trim_start(),
            None => return Err((codes::REQUIREMENTS_UNREADABLE, "has extras without an end".to_owned())),
        },
        None => rest,
    };
    if rest.starts_with('@') {
        return elsewhere("is taken from a URL, which no index has");
    }
    Ok((normalize_name(name), rest.trim()))
}

/// Values of `--hash` after a requirement. Returns an error for any other option.
fn options_of(text: &str) -> Result<Vec<&str>, Refusal> {
    let mut words = text.split_whitespace();
    let mut hashes = Vec::new();
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--hash") {
            Some("") => words.next(),
            Some(value) => value.strip_prefix('='),
            None => None,
        };
        let what = || format!("`{}` is an option that Landfall does not know", word.escape_default());
        hashes.push(value.ok_or_else(|| (codes::REQUIREMENTS_UNREADABLE, what()))?);
    }
    Ok(hashes)
}
