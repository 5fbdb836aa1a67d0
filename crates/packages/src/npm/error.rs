//! Errors about a set of npm packages.

use landfall_error_codes::{Code, CodedError, codes};

use crate::limits;

/// The reason why a registry cannot serve packages, with the package.
#[derive(Debug, thiserror::Error)]
pub enum NpmError {
    /// A tarball cannot be used.
    #[error("the tarball {file} cannot be served")]
    Package {
        /// Path of the tarball in its artifact.
        file: String,
        /// The fault of the tarball.
        #[source]
        source: NpmFault,
    },
    /// There are no packages.
    #[error("there are no npm packages to serve")]
    Empty,
    /// Two tarballs would have the same address.
    #[error("{first} and {second} are two tarballs of {package}")]
    Twice {
        /// Name and version.
        package: String,
        /// Path of one tarball.
        first: String,
        /// Path of the other tarball.
        second: String,
    },
    /// One package has more versions than fit into one response.
    #[error(
        "the versions of {name} have {bytes} bytes of package.json, and at most {} fit one document",
        limits::NPM_DOCUMENT_BYTES
    )]
    Versions {
        /// Name of the package.
        name: String,
        /// Bytes of `package.json` in all versions.
        bytes: u64,
    },
    /// The list is too large for a bundle.
    #[error(
        "the list of {packages} npm packages needs {parts} parts, and at most {} can travel",
        limits::NPM_LIST_PARTS
    )]
    TooMany {
        /// Number of tarballs.
        packages: usize,
        /// Number of parts of their list.
        parts: usize,
    },
    /// A list of packages is not in the form that `landfall build` writes.
    #[error("the list of npm packages cannot be used: {0}")]
    List(String),
    /// The list cannot be read or written as a document.
    #[error("the list of npm packages is not a document")]
    Document(#[from] landfall_bundle_spec::Error),
}

/// The reason why a package cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum NpmFault {
    /// Its tarball cannot be unpacked.
    #[error("its tarball cannot be unpacked")]
    Unpack(#[from] std::io::Error),
    /// Its tarball does not have npm's form.
    #[error("its tarball {0}")]
    Tarball(String),
    /// `package.json` cannot be used.
    #[error("its package.json {0}")]
    PackageJson(String),
    /// `package.json` is not JSON.
    #[error("its package.json is not JSON")]
    Json(#[from] serde_json::Error),
    /// `package.json` is not the listed one.
    #[error("its package.json is not what the list says")]
    Changed,
}

impl CodedError for NpmError {
    fn code(&self) -> Code {
        match self {
            Self::Package { source, .. } => match source {
                NpmFault::Unpack(_) | NpmFault::Tarball(_) => codes::NPM_TARBALL,
                NpmFault::PackageJson(_) | NpmFault::Json(_) => codes::NPM_PACKAGE_JSON,
                NpmFault::Changed => codes::PACKAGE_INDEX_UNUSABLE,
            },
            Self::Empty => codes::NPM_MISSING,
            Self::Twice { .. } => codes::NPM_TWICE,
            Self::Versions { .. } => codes::NPM_VERSIONS,
            Self::TooMany { .. } => codes::NPM_TOO_MANY,
            Self::List(_) | Self::Document(_) => codes::PACKAGE_INDEX_UNUSABLE,
        }
    }
}
