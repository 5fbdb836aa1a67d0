//! The page of a project in a package index, with its files.
//!
//! Threats: a page may name another project, many files, absurd sizes, or malformed URLs. A name is used only if it
//! belongs to a wheel whose digest is in the vendor's file; a URL is checked when it is pinned.

mod html;
mod json;

use landfall_bundle_spec::{Sha256, limits};
use landfall_error_codes::codes;
use url::Url;

use crate::error::{BuildError, Result};
use crate::fetch::IndexPage;
use crate::file_url::FileUrl;

/// Maximum number of files on a page.
const FILES: usize = 200_000;

/// Parses a SHA-256 with hexadecimal digits of either case.
pub(super) fn sha256(digits: &str) -> Option<Sha256> {
    format!("sha256:{}", digits.to_ascii_lowercase()).parse().ok()
}

/// A parsed page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectPage {
    /// Files, in the order of the page.
    pub files: Vec<IndexFile>,
    base: Url,
}

/// A file on a page or in a project lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFile {
    /// Name as listed.
    pub file_name: String,
    /// URL as listed.
    pub address: String,
    /// SHA-256, if stated.
    pub sha256: Option<Sha256>,
    /// Size in bytes, if stated.
    pub size: Option<u64>,
    /// Supported versions of Python, if stated.
    pub requires_python: Option<String>,
    /// True if its publisher has yanked it (PEP 592): it remains available to projects that pin it.
    pub is_yanked: bool,
}

impl ProjectPage {
    /// Maximum size of a page, in bytes.
    pub const LIMIT_BYTES: usize = 32 << 20;

    /// Parses the page of a project by its media type; `project` is the normalized name.
    pub fn read(url: &FileUrl, project: &str, page: IndexPage) -> Result<Self> {
        let IndexPage { bytes, media_type, base } = page;
        let refuse = |what: String| BuildError::new(codes::INDEX_ANSWER, format!("the page {url}/ {what}"));
        let read = match media_type.as_str() {
            "application/vnd.pypi.simple.v1+json" | "application/json" => {
                json::read(&bytes, project).map(|files| (files, base))
            }
            "application/vnd.pypi.simple.v1+html" | "text/html" => html::read(&bytes, base),
            other => Err(format!("is of the type `{}`, which no package index has", other.escape_default())),
        };
        let (files, base) = read.map_err(&refuse)?;
        if files.len() > FILES {
            return Err(refuse(format!("lists {} files, more than {FILES}", files.len())));
        }
        Ok(Self { files, base })
    }

    /// URL of a file on the page.
    pub fn url(&self, file: &IndexFile) -> Result<FileUrl> {
        file.url_by(|address| self.base.join(address))
    }
}

impl IndexFile {
    /// URL of the file, which must be absolute.
    pub fn url(&self) -> Result<FileUrl> {
        self.url_by(Url::parse)
    }

    fn url_by(&self, parse: impl Fn(&str) -> std::result::Result<Url, url::ParseError>) -> Result<FileUrl> {
        let name = self.file_name.escape_default();
        let refuse = |what: String| BuildError::new(codes::INDEX_ANSWER, format!("the address of `{name}` {what}"));
        let mut url = parse(&self.address).map_err(|error| refuse(format!("is not valid: {error}")))?;
        url.set_fragment(None);
        url.as_str().parse().map_err(|error| refuse(format!("cannot be pinned: {error}")))
    }
}

/// Returns true for a size that a file in a bundle may have.
pub(super) fn is_size(bytes: u64) -> bool {
    bytes <= limits::BLOB_BYTES
}
