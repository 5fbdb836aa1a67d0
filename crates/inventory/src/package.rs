//! A package of an image.

use serde::{Deserialize, Serialize};

use crate::limits;

/// Manager of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PackageKind {
    /// dpkg, of Debian and its derivatives.
    Deb,
    /// apk, of Alpine and its derivatives.
    Apk,
    /// RPM, of Red Hat, SUSE and their derivatives.
    Rpm,
    /// Python's installers.
    Pypi,
    /// npm.
    Npm,
}

impl PackageKind {
    /// Type of such packages in a package URL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
            Self::Pypi => "pypi",
            Self::Npm => "npm",
        }
    }

    /// Returns true if such a package belongs to a distribution, so that its version is meaningful only there.
    pub fn is_of_system(self) -> bool {
        matches!(self, Self::Deb | Self::Apk | Self::Rpm)
    }
}

/// A package, as its database describes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Package manager that installed it.
    pub kind: PackageKind,
    /// Name of the package: for npm with its scope, for Python normalized by PEP 503.
    pub name: String,
    /// Version, as the package manager prints it.
    pub version: String,
    /// Architecture in the distribution's terms; `None` if the package states none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Distribution, such as `debian`, as named in `os-release`; `None` for a package that belongs to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
    /// Version of the distribution, such as `13`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution_version: Option<String>,
    /// Declared license: an SPDX expression or other text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
}

impl Package {
    /// Creates a package from a name and a version, or returns an error if either is unusable.
    pub(crate) fn new(kind: PackageKind, name: &str, version: &str) -> Result<Self, String> {
        let package = Self {
            kind,
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: None,
            distribution: None,
            distribution_version: None,
            license: None,
        };
        package.check()?;
        Ok(package)
    }

    /// Returns an error unless every text is valid.
    pub(crate) fn check(&self) -> Result<(), String> {
        let kind = self.kind.name();
        check_text(&format!("the name of a package of {kind}"), &self.name)?;
        check_text(&format!("the version of {}", self.name), &self.version)?;
        for (what, text) in [
            ("the architecture", &self.architecture),
            ("the distribution", &self.distribution),
            ("the distribution's version", &self.distribution_version),
            ("the license", &self.license),
        ] {
            text.iter().try_for_each(|text| check_text(&format!("{what} of {}", self.name), text))?;
        }
        Ok(())
    }
}

/// Returns true if a text is neither empty nor too long, and has no control characters.
pub(crate) fn is_text(text: &str) -> bool {
    (1..=limits::TEXT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Returns an error unless the text passes [`is_text`].
pub(crate) fn check_text(what: &str, text: &str) -> Result<(), String> {
    if is_text(text) { Ok(()) } else { Err(format!("{what} is empty, too long, or has control characters")) }
}
