//! One package of an image.

use serde::{Deserialize, Serialize};

use crate::limits;

/// Who manages a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PackageKind {
    /// dpkg, of Debian and what is derived from it.
    Deb,
    /// apk, of Alpine and what is derived from it.
    Apk,
    /// RPM, of Red Hat, SUSE and what is derived from them.
    Rpm,
    /// Python's installers.
    Pypi,
    /// npm.
    Npm,
}

impl PackageKind {
    /// The word of a package URL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
            Self::Pypi => "pypi",
            Self::Npm => "npm",
        }
    }

    /// Whether such a package belongs to a distribution, so that its version means something there alone.
    pub fn is_of_system(self) -> bool {
        matches!(self, Self::Deb | Self::Apk | Self::Rpm)
    }
}

/// A package, as its database describes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Who manages it.
    pub kind: PackageKind,
    /// Its name; of npm with the scope, of Python normalized as PEP 503 has it.
    pub name: String,
    /// Its version, as the package manager prints it.
    pub version: String,
    /// Its architecture in the words of the distribution; none for packages that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The distribution, such as `debian`, as `os-release` names it; none for packages that belong to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
    /// The version of the distribution, such as `13`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution_version: Option<String>,
    /// Its license as it declares it; an SPDX expression or other words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
}

impl Package {
    /// A package with a name and a version, if both are usable.
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

    /// Fails unless every text is one.
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

/// Whether a text is neither empty nor too long, and has no control characters.
pub(crate) fn is_text(text: &str) -> bool {
    (1..=limits::TEXT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Fails unless [`is_text`].
pub(crate) fn check_text(what: &str, text: &str) -> Result<(), String> {
    if is_text(text) { Ok(()) } else { Err(format!("{what} is empty, too long, or has control characters")) }
}
