//! The pages of an index, and the file at each address. All of it is generated once from the list.

mod html;
mod json;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use landfall_bundle_spec::Sha256;

use crate::error::PackagesError;
use crate::file_name::WheelName;
use crate::http::tag_of;
use crate::list::WheelList;
use crate::wheel::Wheel;

/// Version of the simple repository API of the pages: that of PEP 700, with versions and sizes.
pub const API_VERSION: &str = "1.1";

/// A page in one form.
#[derive(Debug, Clone)]
pub struct Body {
    /// Bytes to send.
    pub bytes: Bytes,
    /// Entity tag, with quotes: the digest of the bytes.
    pub tag: String,
}

impl Body {
    fn new(text: String) -> Self {
        let bytes = Bytes::from(text);
        Self { tag: tag_of(Sha256::of(&bytes)), bytes }
    }
}

/// A page in both forms.
#[derive(Debug, Clone)]
pub struct Page {
    /// HTML, as specified by PEP 503.
    pub html: Body,
    /// JSON, as specified by PEP 691.
    pub json: Body,
}

/// Every page and every file of an index.
#[derive(Debug)]
pub struct Index {
    projects: Page,
    pages: BTreeMap<String, Page>,
    files: HashMap<String, Wheel>,
}

impl Index {
    /// Generates the pages.
    pub fn new(list: &WheelList) -> Result<Self, PackagesError> {
        let mut projects: BTreeMap<String, Vec<&Wheel>> = BTreeMap::new();
        for wheel in list.wheels() {
            let named = WheelName::read(wheel.file_name());
            let named = named.map_err(|source| PackagesError::Wheel { file: wheel.path.clone(), source })?;
            projects.entry(named.project).or_default().push(wheel);
        }
        let names: Vec<&str> = projects.keys().map(String::as_str).collect();
        let root = Page { html: Body::new(html::projects(&names)), json: Body::new(json::projects(&names)) };
        let page = |name: &str, wheels: &[&Wheel]| Page {
            html: Body::new(html::project(name, wheels)),
            json: Body::new(json::project(name, wheels)),
        };
        let pages = projects.iter().map(|(name, wheels)| (name.clone(), page(name, wheels))).collect();
        let files = list.wheels().iter().map(|wheel| (wheel.file_name().to_owned(), wheel.clone())).collect();
        Ok(Self { projects: root, pages, files })
    }

    /// The page with the projects.
    pub fn projects(&self) -> &Page {
        &self.projects
    }

    /// Returns the page of a project, by its normalized name.
    pub fn project(&self, name: &str) -> Option<&Page> {
        self.pages.get(name)
    }

    /// Returns a wheel by its file name.
    pub fn wheel(&self, file_name: &str) -> Option<&Wheel> {
        self.files.get(file_name)
    }

    /// Number of projects, and number of wheels.
    pub fn counts(&self) -> (usize, usize) {
        (self.pages.len(), self.files.len())
    }
}

/// Returns the address of a wheel's file, as linked from a project's page. Some readers interpret the `+` and `!` in
/// wheel names, so they are encoded.
fn address(wheel: &Wheel) -> String {
    format!("../../files/{}", wheel.file_name().replace('+', "%2B").replace('!', "%21"))
}
