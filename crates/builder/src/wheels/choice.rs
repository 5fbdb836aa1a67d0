//! Selects the wheel for a requirement that best fits a target.

use std::cmp::Reverse;
use std::str::FromStr as _;

use landfall_error_codes::codes;
use landfall_packages::{WheelName, normalize_name};
use pep440_rs::{Version, VersionSpecifiers};

use super::index::IndexFile;
use super::requirement::Requirement;
use super::requirements::Refusal;
use super::tags::Tags;
use super::target::Target;

/// Maximum number of file names in a message.
const NAMES_LISTED: usize = 6;

/// Suffixes of source distributions.
const SOURCES: [&str; 4] = [".tar.gz", ".zip", ".tar.bz2", ".tgz"];

/// Selects a file from an index or a project lock: of the required version, for the target, with one of the required
/// hashes.
///
/// Among several, files that were not yanked come first, then those with a better tag, then those with a higher build
/// number.
pub fn choose<'a>(
    requirement: &Requirement,
    listed: &'a [IndexFile],
    target: &Target,
    tags: &Tags,
) -> Result<&'a IndexFile, Refusal> {
    let wheels: Vec<_> = listed.iter().filter(|file| is_wheel_of(requirement, &file.file_name)).collect();
    let version = requirement.version();
    if wheels.is_empty() {
        let mut sources = listed.iter().filter(|file| is_source_of(requirement, &file.file_name));
        return Err(match sources.next() {
            Some(source) => {
                let what = format!("{version} is published only as source, `{}`", source.file_name.escape_default());
                (codes::WHEEL_NOT_PUBLISHED, what)
            }
            None => (codes::PACKAGE_MISSING, format!("no file of the version {version} is listed")),
        });
    }
    let is_allowed = |file: &IndexFile| file.sha256.is_some_and(|sum| requirement.hashes.contains(&sum));
    let tagged = wheels.iter().filter_map(|file| Some((tags.rank(&file.file_name)?, *file, file.takes(target))));
    let tagged: Vec<_> = tagged.collect();
    if let Some((_, file, _)) = tagged.iter().find(|(_, file, takes)| takes.is_none() && is_allowed(file)) {
        return Err((codes::PYTHON_PATCH, depends(file)));
    }
    let fitting = tagged.iter().filter(|(_, _, takes)| *takes == Some(true));
    let fitting: Vec<_> = fitting.map(|(rank, file, _)| (*rank, *file)).collect();
    if fitting.is_empty() {
        return Err((codes::WHEEL_FOR_OTHERS, misfit(&wheels, version, target, tags)));
    }
    let hashed = fitting.iter().filter(|(_, file)| is_allowed(file));
    let best = hashed.min_by_key(|(rank, file)| {
        (file.is_yanked, *rank, Reverse(build_of(&file.file_name)), file.file_name.as_str())
    });
    best.map(|(_, file)| *file).ok_or_else(|| {
        let fitting: Vec<_> = fitting.iter().map(|(_, file)| *file).collect();
        let states = if fitting.iter().any(|file| file.sha256.is_some()) { "another hash" } else { "no SHA-256" };
        let what = format!(
            "{states} is listed for {}, where the file of requirements has {}",
            names(&fitting),
            hashes(requirement)
        );
        (codes::WHEEL_HASH, what)
    })
}

/// Reason why it is unknown whether a wheel fits.
fn depends(file: &IndexFile) -> String {
    let (name, python) = (file.file_name.escape_default(), file.requires_python.as_deref().unwrap_or_default());
    format!("`{name}` needs Python {}, and the lock names no patch version", python.escape_default())
}

/// Reason why no wheel of a version fits.
fn misfit(wheels: &[&IndexFile], version: &Version, target: &Target, tags: &Tags) -> String {
    let tagged = wheels.iter().find(|file| tags.rank(&file.file_name).is_some());
    if let Some((name, python)) = tagged.and_then(|file| Some((&file.file_name, file.requires_python.as_deref()?))) {
        return format!("`{name}` needs Python {}; the target is {target}", python.escape_default());
    }
    // The closest ones come first: a page may start with dozens of wheels for other systems.
    let is_near = |file: &&IndexFile| file.file_name.contains("linux") && file.file_name.contains(target.machine());
    let (near, far): (Vec<_>, Vec<_>) = wheels.iter().copied().partition(is_near);
    format!("no wheel of {version} is for {target}; listed are {}", names(&[near, far].concat()))
}

/// Lists some file names for a message.
fn names(files: &[&IndexFile]) -> String {
    let more = if files.len() > NAMES_LISTED { ", …" } else { "" };
    let names: Vec<_> =
        files.iter().take(NAMES_LISTED).map(|file| format!("`{}`", file.file_name.escape_default())).collect();
    names.join(", ") + more
}

fn hashes(requirement: &Requirement) -> String {
    match &requirement.hashes[..] {
        [one] => format!("only {one}"),
        several => format!("{} hashes, none of them that one", several.len()),
    }
}

fn is_wheel_of(requirement: &Requirement, file_name: &str) -> bool {
    let Ok(name) = WheelName::read(file_name) else { return false };
    let version = Version::from_str(&name.version);
    name.project == requirement.name && version.is_ok_and(|version| requirement.takes(&version))
}

fn is_source_of(requirement: &Requirement, file_name: &str) -> bool {
    let stem = SOURCES.iter().find_map(|ending| file_name.strip_suffix(ending));
    let Some((name, version)) = stem.and_then(|stem| stem.rsplit_once('-')) else { return false };
    normalize_name(name) == requirement.name
        && Version::from_str(version).is_ok_and(|version| requirement.takes(&version))
}

/// Build tag of a wheel: a number and the text after it. `None` is the earliest.
fn build_of(file_name: &str) -> Option<(u64, &str)> {
    let mut parts = file_name.split('-');
    let build = parts.nth(2).filter(|_| parts.count() == 3)?;
    let end = build.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(build.len());
    let (number, rest) = build.split_at(end);
    Some((number.parse().unwrap_or(u64::MAX), rest))
}

impl IndexFile {
    /// Returns true if it supports the target's Python; `None` if that depends on the patch version. A malformed
    /// requirement is ignored, as in pip.
    fn takes(&self, target: &Target) -> Option<bool> {
        let stated = self.requires_python.as_deref().map(VersionSpecifiers::from_str);
        stated.and_then(Result::ok).map_or(Some(true), |range| target.is_in(&range))
    }
}
