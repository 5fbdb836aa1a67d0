//! The pages of an index, and which file each address means. All of it is made once, from the list.

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

/// Version of the simple repository API that the pages have: that of PEP 700, with versions and sizes.
pub const API_VERSION: &str = "1.1";

/// A page in one form.
#[derive(Debug, Clone)]
pub struct Body {
    /// What is sent.
    pub bytes: Bytes,
    /// Its entity tag, with quotes: the digest of the bytes.
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
    /// As PEP 503 has it.
    pub html: Body,
    /// As PEP 691 has it.
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
    /// Makes the pages.
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

    /// The page that lists the projects.
    pub fn projects(&self) -> &Page {
        &self.projects
    }

    /// The page of a project, by its normalized name.
    pub fn project(&self, name: &str) -> Option<&Page> {
        self.pages.get(name)
    }

    /// A wheel by the name of its file.
    pub fn wheel(&self, file_name: &str) -> Option<&Wheel> {
        self.files.get(file_name)
    }

    /// How many projects and how many wheels there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.pages.len(), self.files.len())
    }
}

/// The address of a wheel's file, as a page of a project links to it. Of what names of wheels have, `+` and `!` mean something else
/// to some readers.
fn address(wheel: &Wheel) -> String {
    format!("../../files/{}", wheel.file_name().replace('+', "%2B").replace('!', "%21"))
}
