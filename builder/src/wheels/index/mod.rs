//! The page of a project on a package index: the files that it lists.
//!
//! Threats: a page may name another project, many files, absurd sizes, or addresses that are none. A name counts only as that of a
//! wheel, whose digest the vendor's file states; an address is checked when it is pinned.

mod html;
mod json;

use landfall_bundle_spec::{Sha256, limits};
use landfall_error_codes::codes;
use url::Url;

use crate::error::{BuildError, Result};
use crate::fetch::IndexPage;
use crate::file_url::FileUrl;

/// Maximum number of files of a page.
const FILES: usize = 200_000;

/// A page that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectPage {
    /// The files, in the order of the page.
    pub files: Vec<Listed>,
    base: Url,
}

/// A file of a page, or of a project lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name, as it is listed.
    pub file_name: String,
    /// Its address, as it is listed.
    pub address: String,
    /// Its SHA-256, where one is stated.
    pub sha256: Option<Sha256>,
    /// Its bytes, where they are stated.
    pub size: Option<u64>,
    /// The versions of Python on which it runs, where they are stated.
    pub requires_python: Option<String>,
    /// Whether its publisher has withdrawn it, as PEP 592 has it: it is still there for those who pin it.
    pub is_yanked: bool,
}

impl ProjectPage {
    /// The largest page that is read.
    pub const LIMIT_BYTES: usize = 32 << 20;

    /// Reads the page of a project, whose normalized name is given, by its media type.
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

    /// The address of a file of the page.
    pub fn url(&self, file: &Listed) -> Result<FileUrl> {
        file.url_by(|address| self.base.join(address))
    }
}

impl Listed {
    /// Its address, where that is a whole one.
    pub fn url(&self) -> Result<FileUrl> {
        self.url_by(Url::parse)
    }

    fn url_by(&self, parse: impl Fn(&str) -> std::result::Result<Url, url::ParseError>) -> Result<FileUrl> {
        let name = self.file_name.escape_default();
        let refuse = |what: String| BuildError::new(codes::INDEX_ANSWER, format!("the address of `{name}` {what}"));
        let mut url = parse(&self.address).map_err(|error| refuse(format!("is none: {error}")))?;
        url.set_fragment(None);
        url.as_str().parse().map_err(|error| refuse(format!("cannot be pinned: {error}")))
    }
}

/// A size that a file of a bundle may have.
pub(super) fn is_size(bytes: u64) -> bool {
    bytes <= limits::BLOB_BYTES
}
