//! What can be wrong with a set of npm packages.

use landfall_error_codes::{Code, Coded, codes};

use crate::limits;

/// Packages that no registry can serve: which one, and why.
#[derive(Debug, thiserror::Error)]
pub enum NpmError {
    /// A tarball cannot be used.
    #[error("the tarball {file} cannot be served")]
    Package {
        /// Its path in its artifact.
        file: String,
        /// Why.
        #[source]
        source: NpmFault,
    },
    /// There are no packages.
    #[error("there are no npm packages to serve")]
    Empty,
    /// Two tarballs would have one address.
    #[error("{first} and {second} are two tarballs of {package}")]
    Twice {
        /// Name and version.
        package: String,
        /// The path of one.
        first: String,
        /// The path of the other.
        second: String,
    },
    /// One package has more versions than a client can be answered with.
    #[error(
        "the versions of {name} have {bytes} bytes of package.json, and at most {} fit one document",
        limits::NPM_DOCUMENT_BYTES
    )]
    Versions {
        /// The name.
        name: String,
        /// Bytes of `package.json` in all versions.
        bytes: u64,
    },
    /// The list would not fit where it has to travel.
    #[error(
        "the list of {packages} npm packages needs {parts} parts, and at most {} can travel",
        limits::NPM_LIST_PARTS
    )]
    TooMany {
        /// How many tarballs there are.
        packages: usize,
        /// How many parts their list has.
        parts: usize,
    },
    /// A list of packages is not what `landfall build` writes.
    #[error("the list of npm packages cannot be used: {0}")]
    List(String),
    /// The list cannot be read or written as a document.
    #[error("the list of npm packages is not a document")]
    Document(#[from] landfall_bundle_spec::Error),
}

/// Why a package cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum NpmFault {
    /// Its tarball cannot be unpacked.
    #[error("its tarball cannot be unpacked")]
    Unpack(#[from] std::io::Error),
    /// Its tarball is not one that npm makes.
    #[error("its tarball {0}")]
    Tarball(String),
    /// `package.json` cannot be used.
    #[error("its package.json {0}")]
    PackageJson(String),
    /// `package.json` is not JSON.
    #[error("its package.json is not JSON")]
    Json(#[from] serde_json::Error),
    /// `package.json` is not the one that was listed.
    #[error("its package.json is not what the list says")]
    Changed,
}

impl Coded for NpmError {
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
