//! Bills of materials of a bundle or of one of its images, in the two common formats.
//!
//! The same bundle gives the same bytes: the time is that of its build, and every identifier is derived from its id.

mod bill;
mod cyclonedx;
mod spdx;

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::head::Identity;
use landfall_release_document::{ImageEntry, ReleaseDocument};
use serde_json::Value;

use crate::document::InventoryDocument;
use crate::purl;

pub use bill::Bill;

/// A bundle, as its head describes it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Id of the bundle.
    pub id: Sha256,
    /// Name, version and time of the release.
    pub identity: &'a Identity,
    /// SHA-256 of the program in the bundle.
    pub installer: Sha256,
    /// The release document.
    pub release: &'a ReleaseDocument,
    /// The inventory.
    pub inventory: &'a InventoryDocument,
}

/// The program that writes a bill.
#[derive(Debug, Clone, Copy)]
pub struct Tool<'a> {
    /// Name of the program.
    pub name: &'a str,
    /// Version of the program.
    pub version: &'a str,
}

/// A format of bills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// SPDX 2.3, as JSON.
    Spdx,
    /// `CycloneDX` 1.6, as JSON.
    CycloneDx,
}

impl Bill {
    /// Returns the bill as a document in this format.
    pub fn to_json(&self, format: Format, tool: Tool<'_>) -> Value {
        match format {
            Format::Spdx => spdx::document(self, tool),
            Format::CycloneDx => cyclonedx::document(self, tool),
        }
    }
}

/// Finds the image that a name refers to: its full reference, or the end of it from a segment on, with or without the
/// tag. Unless exactly one matches, the error lists the references that the name could mean, or all of them.
pub fn find_image<'a>(release: &'a ReleaseDocument, name: &str) -> Result<&'a ImageEntry, Vec<&'a str>> {
    let is_end = |whole: &str| {
        whole.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('/')) && !name.is_empty()
    };
    let is_meant = |image: &&ImageEntry| is_end(&image.reference) || is_end(purl::split_tag(&image.reference).0);
    let found: Vec<_> = release.images.iter().filter(is_meant).collect();
    match found.as_slice() {
        [image] => Ok(image),
        [] => Err(release.images.iter().map(|image| image.reference.as_str()).collect()),
        several => Err(several.iter().map(|image| image.reference.as_str()).collect()),
    }
}

#[cfg(test)]
mod tests;
