//! The Python version and the platform for which wheels are selected.

use std::fmt;

use pep440_rs::{Version, VersionSpecifiers};

/// Maximum minor and patch version of Python, and version of glibc and musl, in a target.
const NUMBER: u64 = 99;

/// A Python on a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Minor version of Python 3.
    minor: u64,
    /// Patch version, if given.
    patch: Option<u64>,
    library: Library,
    machine: &'static str,
    /// Python and platform as written.
    written: (String, String),
}

/// The C library of a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Library {
    /// glibc 2 with this minor version.
    Glibc(u64),
    /// musl with this major and minor version.
    Musl(u64, u64),
}

/// Error for a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidTarget {
    /// Field of the lock.
    pub field: &'static str,
    /// Description of the error.
    pub what: String,
}

impl Target {
    /// Parses a version such as `3.12` or `3.12.4`, and a platform tag such as `manylinux_2_28_x86_64`.
    pub fn new(python: &str, platform: &str) -> Result<Self, InvalidTarget> {
        let (minor, patch) = python_of(python).ok_or_else(|| InvalidTarget {
            field: "python",
            what: format!("`{}` is not a version of Python such as 3.12", python.escape_default()),
        })?;
        let (library, machine) = platform_of(platform).ok_or_else(|| InvalidTarget {
            field: "platform",
            what: format!(
                "`{}` is not a platform such as manylinux_2_28_x86_64, manylinux_2_28_aarch64 or musllinux_1_2_x86_64",
                platform.escape_default()
            ),
        })?;
        Ok(Self { minor, patch, library, machine, written: (python.to_owned(), platform.to_owned()) })
    }

    /// Possible full versions of Python: all of the minor version if no patch version is given.
    pub(super) fn pythons(&self) -> impl Iterator<Item = Version> {
        let patches = self.patch.map_or(0..=NUMBER, |patch| patch..=patch);
        patches.map(|patch| Version::new([3, self.minor, patch]))
    }

    /// Returns whether the Python is in a range; `None` if that depends on an unknown patch version.
    pub(super) fn is_in(&self, range: &VersionSpecifiers) -> Option<bool> {
        common_answer(self.pythons().map(|python| range.contains(&python)))
    }

    pub(super) fn minor(&self) -> u64 {
        self.minor
    }

    pub(super) fn library(&self) -> Library {
        self.library
    }

    /// CPU as named in platform tags.
    pub(super) fn machine(&self) -> &'static str {
        self.machine
    }

    /// CPU as named in image platforms.
    pub fn architecture(&self) -> &'static str {
        if self.machine == "aarch64" { "arm64" } else { "amd64" }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Python {} on {}", self.written.0, self.written.1)
    }
}

/// The common answer; `None` if answers differ or there are none.
pub(super) fn common_answer(mut answers: impl Iterator<Item = bool>) -> Option<bool> {
    let first = answers.next()?;
    answers.all(|answer| answer == first).then_some(first)
}

fn python_of(text: &str) -> Option<(u64, Option<u64>)> {
    let mut parts = text.strip_prefix("3.")?.split('.').map(number);
    let (minor, patch) = (parts.next()??, parts.next());
    let patch = match patch {
        Some(patch) => Some(patch?),
        None => None,
    };
    parts.next().is_none().then_some((minor, patch))
}

fn platform_of(text: &str) -> Option<(Library, &'static str)> {
    let (rest, machine) = ["x86_64", "aarch64"].iter().find_map(|machine| {
        let rest = text.strip_suffix(*machine)?.strip_suffix('_')?;
        Some((rest, *machine))
    })?;
    let library = match rest.split_once('_') {
        Some(("manylinux", version)) => Library::Glibc(number(version.strip_prefix("2_")?)?),
        Some(("musllinux", version)) => {
            let (major, minor) = version.split_once('_')?;
            Library::Musl(number(major)?, number(minor)?)
        }
        None if rest == "manylinux2014" => Library::Glibc(17),
        _ => return None,
    };
    Some((library, machine))
}

/// Parses a small number without sign, spaces or leading zeros.
fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number <= NUMBER && number.to_string() == text).then_some(number)
}
