//! Requests to a registry, parsed from their paths. No part of a request becomes the path of a file.

use super::name::{is_name, without_scope};
use super::version;

/// A client's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Check that the registry answers.
    Ping,
    /// All versions of a package.
    Packument(&'a str),
    /// One version of a package, or a tag.
    Version(&'a str, &'a str),
    /// A tarball, by package and file.
    Tarball(&'a str, &'a str),
}

impl<'a> Request<'a> {
    /// Parses a decoded path relative to the registry's address; some clients encode the slash of a scoped name.
    pub fn read(path: &'a str) -> Option<Self> {
        if path == "-/ping" {
            return Some(Self::Ping);
        }
        Self::of_own_path(path).or_else(|| Self::of_other_registry(path))
    }

    /// Parses a path in this registry's form.
    fn of_own_path(path: &'a str) -> Option<Self> {
        let (name, rest) = name_and_rest(path)?;
        let segments: Vec<&str> = rest.map(|rest| rest.split('/').collect()).unwrap_or_default();
        match segments.as_slice() {
            [] => Some(Self::Packument(name)),
            [version] if !matches!(*version, "" | "-") => Some(Self::Version(name, version)),
            ["-", file] if !file.is_empty() => Some(Self::Tarball(name, file)),
            _ => None,
        }
    }
}

impl<'a> Request<'a> {
    /// Parses the path of a tarball in another registry's form: below an additional path, or with the scope repeated
    /// before the file. Clients keep the path of an address in a lock, and replace only its host.
    fn of_other_registry(path: &'a str) -> Option<Self> {
        let (folder, file) = path.rsplit_once("/-/")?;
        let segment = |end: usize| folder[..end].rfind('/').map_or(0, |slash| slash + 1);
        let plain = segment(folder.len());
        let scoped = segment(plain.saturating_sub(1));
        let name = if plain > 0 && folder[scoped..].starts_with('@') { &folder[scoped..] } else { &folder[plain..] };
        let scope = name.split_once('/').map(|(scope, _)| scope);
        let file = match (file.split_once('/'), scope) {
            (Some((again, file)), Some(scope)) if again == scope => file,
            _ => file,
        };
        (is_name(name) && !file.is_empty() && !file.contains('/')).then_some(Self::Tarball(name, file))
    }
}

/// Splits a path into the name at its beginning, and the part after its slash.
fn name_and_rest(path: &str) -> Option<(&str, Option<&str>)> {
    let after_scope = if path.starts_with('@') { path.find('/')? + 1 } else { 0 };
    let end = path[after_scope..].find('/').map(|end| after_scope + end);
    let (name, rest) = end.map_or((path, None), |end| (&path[..end], Some(&path[end + 1..])));
    is_name(name).then_some((name, rest))
}

/// Returns the name and version of the package in a file, given a path in a registry's form: `…/NAME/-/FILE.tgz`.
pub fn package_of_path(path: &str) -> Option<(String, String)> {
    let (folder, file) = path.rsplit_once("/-/")?;
    let mut segments = folder.rsplit('/');
    let name = segments.next()?;
    let scoped = segments.next().filter(|scope| scope.starts_with('@')).map(|scope| format!("{scope}/{name}"));
    let name = scoped.unwrap_or_else(|| name.to_owned());
    let version = file.strip_suffix(super::TARBALL_ENDING)?.strip_prefix(without_scope(&name))?.strip_prefix('-')?;
    (is_name(&name) && version::exact(version).is_some()).then(|| (name, version.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn client_paths_are_recognized() {
        let table = [
            ("left-pad", Some(Request::Packument("left-pad"))),
            ("@types/node", Some(Request::Packument("@types/node"))),
            ("left-pad/1.3.0", Some(Request::Version("left-pad", "1.3.0"))),
            ("@types/node/latest", Some(Request::Version("@types/node", "latest"))),
            ("left-pad/-/left-pad-1.3.0.tgz", Some(Request::Tarball("left-pad", "left-pad-1.3.0.tgz"))),
            ("@types/node/-/node-1.0.0.tgz", Some(Request::Tarball("@types/node", "node-1.0.0.tgz"))),
            ("api/npm/own/left-pad/-/left-pad-1.3.0.tgz", Some(Request::Tarball("left-pad", "left-pad-1.3.0.tgz"))),
            ("api/npm/@types/node/-/@types/node-1.0.0.tgz", Some(Request::Tarball("@types/node", "node-1.0.0.tgz"))),
            ("@types/node/-/@types/node-1.0.0.tgz", Some(Request::Tarball("@types/node", "node-1.0.0.tgz"))),
            ("@types/node/-/@other/node-1.0.0.tgz", None),
            ("download/left-pad/1.3.0/0123", None),
            ("-/ping", Some(Request::Ping)),
            ("", None),
            ("@types", None),
            ("@types/", None),
            ("left-pad/", None),
            ("left-pad/-", None),
            ("left-pad/-/", None),
            ("left-pad/-/a/b", None),
            ("left-pad/1.0.0/a", None),
            ("-/v1/search", None),
            ("-/npm/v1/security/advisories/bulk", None),
            ("../left-pad", None),
            ("/etc/passwd", None),
        ];
        for (path, wanted) in table {
            assert_eq!(Request::read(path), wanted, "{path}");
        }
    }

    #[test]
    fn package_follows_tarball_path() {
        let of = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(package_of_path("left-pad/-/left-pad-1.3.0.tgz"), of("left-pad", "1.3.0"));
        assert_eq!(package_of_path("set/@types/node/-/node-1.0.0-rc.1.tgz"), of("@types/node", "1.0.0-rc.1"));
        assert_eq!(package_of_path("set/left-pad/-/left-pad-1.3.0.tgz"), of("left-pad", "1.3.0"));
        for other in [
            "left-pad-1.3.0.tgz",
            "left-pad/-/other-1.3.0.tgz",
            "left-pad/-/left-pad.tgz",
            "a/-/a-latest.tgz",
            "../-/..-1.0.0.tgz",
        ] {
            assert_eq!(package_of_path(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_requests_never_panic(path in "\\PC{0,60}|(@?[a-z.-]{0,3}/?){0,5}") {
            if let Some(Request::Packument(name) | Request::Version(name, _) | Request::Tarball(name, _)) =
                Request::read(&path)
            {
                prop_assert!(is_name(name));
            }
            let _some_or_none = package_of_path(&path);
        }
    }
}
