//! Reads a `package-lock.json`: its packages, their URLs, and their integrity.

use std::collections::BTreeMap;
use std::path::Path;

use landfall_error_codes::{Code, codes};
use landfall_packages::npm::Request;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::target::{Cpu, lacking};
use super::{Integrity, OmittedGroup, Registry, name};
use crate::error::{BuildError, Place};
use crate::file_url::FileUrl;

/// Folder in which npm keeps packages.
const FOLDER: &str = "node_modules/";

/// A package in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// First key of the package in the file, such as `node_modules/name`.
    pub at: String,
    /// Path of its tarball within the artifact.
    pub path: String,
    /// URL of its tarball.
    pub url: FileUrl,
    /// Accepted digests of its tarball.
    pub integrity: Integrity,
}

/// Content of a file.
#[derive(Debug, Default)]
pub struct LockfileContent {
    /// Unique selected packages, sorted by path.
    pub packages: Vec<Package>,
    /// Packages that are skipped although `omit` does not name them, each with the reason.
    pub skipped: Vec<String>,
    /// All errors in the file.
    pub faults: Vec<BuildError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    lockfile_version: u64,
    #[serde(default)]
    packages: BTreeMap<String, Entry>,
}

/// A package in the file, parsed leniently because npm writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "npm writes them")]
struct Entry {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    resolved: Option<String>,
    #[serde(default)]
    integrity: Option<String>,
    #[serde(default)]
    link: bool,
    #[serde(default)]
    in_bundle: bool,
    #[serde(default)]
    dev: bool,
    #[serde(default)]
    optional: bool,
    /// True if development and an optional package need it.
    #[serde(default)]
    dev_optional: bool,
    #[serde(default)]
    peer: bool,
    /// Names with their version ranges; npm writes strings.
    #[serde(default)]
    optional_dependencies: BTreeMap<String, Value>,
}

impl Entry {
    fn is_omitted(&self, omit: &[OmittedGroup]) -> bool {
        let [dev, optional, peer] =
            [OmittedGroup::Dev, OmittedGroup::Optional, OmittedGroup::Peer].map(|kind| omit.contains(&kind));
        (self.dev && dev)
            || (self.optional && optional)
            || (self.peer && peer)
            || (self.dev_optional && dev && optional)
    }
}

/// Reads a file. `registry` replaces those that the file names; packages are selected for `cpu`.
pub fn read(
    path: &Path,
    bytes: &[u8],
    registry: Option<&Registry>,
    omit: &[OmittedGroup],
    cpu: Option<Cpu>,
) -> LockfileContent {
    let mut found = LockfileContent::default();
    let refuse = |what: String| BuildError::at(codes::PACKAGE_LOCK_UNREADABLE, Place::file(path), what);
    let document: Document = match serde_json::from_slice(bytes) {
        Ok(document) => document,
        Err(error) => {
            found.faults.push(refuse(format!("is not a package-lock.json: {error}")));
            return found;
        }
    };
    if !matches!(document.lockfile_version, 2 | 3) {
        let version = document.lockfile_version;
        found.faults.push(refuse(format!("has the lockfileVersion {version}, where 2 or 3 is needed")));
        return found;
    }
    found.faults.extend(cpu.map(|cpu| lacks(path, &document.packages, omit, cpu)).unwrap_or_default());
    let mut packages: BTreeMap<String, Package> = BTreeMap::new();
    for (at, entry) in document.packages {
        // The project itself and its folders are in no registry.
        let Some((_, installed)) = at.rsplit_once(FOLDER) else { continue };
        if entry.is_omitted(omit) {
            continue;
        }
        if let Some(reason) = skip_reason(&entry) {
            found.skipped.push(format!("{} {reason}", at.escape_default()));
            continue;
        }
        let result = package(&at, entry.name.as_deref().unwrap_or(installed), &entry, registry);
        let result = result.and_then(|package| match packages.get(&package.path) {
            Some(other) if other.integrity != package.integrity => {
                let what = format!("is the same package as {}, with other bytes", other.at.escape_default());
                Err((codes::PACKAGE_LOCK_UNREADABLE, what))
            }
            Some(_) => Ok(()),
            None => {
                packages.insert(package.path.clone(), package);
                Ok(())
            }
        });
        if let Err((code, what)) = result {
            found.faults.push(BuildError::at(code, Place::field(path, 0, at.escape_default().to_string()), what));
        }
    }
    found.packages = packages.into_values().collect();
    if found.packages.is_empty() && found.faults.is_empty() {
        found.faults.push(refuse("names no package of a registry".to_owned()));
    }
    found
}

/// Reason why a package that does not come from a registry can be skipped safely.
fn skip_reason(entry: &Entry) -> Option<&'static str> {
    if entry.link {
        return Some("is left out: it links to a folder of the project");
    }
    entry.in_bundle.then_some("is left out: it is inside the package that bundles it")
}

/// A package in a registry, or the code and text of an error.
fn package(at: &str, name: &str, entry: &Entry, registry: Option<&Registry>) -> Result<Package, (Code, String)> {
    let elsewhere = |what: &str| (codes::PACKAGE_ELSEWHERE, what.to_owned());
    let resolved = entry.resolved.as_deref().map(parse_tarball_url).transpose().map_err(|what| elsewhere(&what))?;
    let integrity = Integrity::read(entry.integrity.as_deref().unwrap_or_default());
    let integrity = integrity.map_err(|what| (codes::PACKAGE_UNVERIFIABLE, what))?;
    let version = entry.version.as_deref().unwrap_or_default();
    let path = name::tarball(name, version).map_err(|what| (codes::PACKAGE_LOCK_UNREADABLE, what))?;
    let is_served = resolved.as_ref().is_none_or(|resolved| is_asked_for(resolved, name, &path));
    let url = match (resolved, registry) {
        (Some(resolved), Some(registry)) => registry.instead_of(&resolved),
        (Some(resolved), None) => resolved,
        // With `omit-lockfile-registry-resolved`, npm omits the URLs of registries.
        (None, Some(registry)) => registry.file(&path),
        (None, None) => {
            return Err(elsewhere("has no address (`resolved`): name the `registry` that has it in the lock"));
        }
    };
    let url: FileUrl = url
        .as_str()
        .parse()
        .map_err(|error| (codes::PACKAGE_ELSEWHERE, format!("has an address that cannot be pinned: {error}")))?;
    if !is_served {
        let what = format!(
            "is the tarball {url}, whose path no package index has, and npm asks for that path at the site. Publish it \
             on a registry, depend on `{name}@{version}` instead of the tarball, and write the file again; where it is \
             on a registry with such paths, write the file without addresses (`npm install --package-lock-only \
             --omit-lockfile-registry-resolved`)"
        );
        return Err(elsewhere(&what));
    }
    Ok(Package { at: at.to_owned(), path, url, integrity })
}

/// Returns true if a site's index serves a tarball under the path of its URL, which clients keep.
fn is_asked_for(resolved: &Url, name: &str, tarball: &str) -> bool {
    let path = resolved.path().trim_start_matches('/').replace("%2f", "/").replace("%2F", "/").replace("%40", "@");
    let file = tarball.rsplit('/').next().unwrap_or_default();
    Request::read(&path) == Some(Request::Tarball(name, file))
}

/// Errors for packages with platform-specific packages, if the file lacks those of the target.
fn lacks(path: &Path, packages: &BTreeMap<String, Entry>, omit: &[OmittedGroup], cpu: Cpu) -> Vec<BuildError> {
    if omit.contains(&OmittedGroup::Optional) {
        return Vec::new();
    }
    let taken = packages.iter().filter(|(_, entry)| !entry.is_omitted(omit) && !entry.link && !entry.in_bundle);
    let lacks = taken.filter_map(|(at, entry)| {
        let names = entry.optional_dependencies.keys().map(String::as_str);
        let lacking = lacking(names, cpu, |name| is_there(packages, at, name));
        (!lacking.is_empty()).then(|| {
            let names = lacking.join(", ").escape_default().to_string();
            let what = format!(
                "needs {names} on machines of {cpu}, and the file lacks it: npm wrote it beside modules of another \
                 system"
            );
            let place = Place::field(
                path,
                0,
                if at.is_empty() { "packages".to_owned() } else { at.escape_default().to_string() },
            );
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let hint = format!(
                "Run `npm install --package-lock-only --prefix {}`, which adds it, and then `landfall lock` again.",
                folder.display()
            );
            BuildError::at(codes::NPM_TARGET, place, what).hint(hint)
        })
    });
    lacks.collect()
}

/// Returns true if the file has a package where the one at `at` looks for it: in its own folder, or in a parent folder.
fn is_there(packages: &BTreeMap<String, Entry>, at: &str, name: &str) -> bool {
    let above = at.match_indices('/').map(|(end, _)| format!("{}/", &at[..end]));
    let own = (!at.is_empty()).then(|| format!("{at}/"));
    let mut folders = std::iter::once(String::new()).chain(above).chain(own);
    folders.any(|folder| packages.contains_key(&format!("{folder}{FOLDER}{name}")))
}

/// URL of a tarball on a server, or an error text about the other source.
fn parse_tarball_url(text: &str) -> Result<Url, String> {
    let of_this_machine = || "is taken from a path of this machine".to_owned();
    let url = Url::parse(text).map_err(|_| of_this_machine())?;
    match url.scheme() {
        "https" | "http" => Ok(url),
        "file" => Err(of_this_machine()),
        scheme if scheme.starts_with("git") => Err("is taken from a Git repository".to_owned()),
        scheme => Err(format!("is taken by {scheme}")),
    }
}
