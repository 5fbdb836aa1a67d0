//! The contents of a bundle: readers of package databases, the document about packages in a head, bills of materials,
//! and the differences between two bundles.
//!
//! ```text
//! files of layers ── read ── image ── InventoryDocument ──┬── sbom ── SPDX, CycloneDX
//!                                     release document ───┴── diff ── BundleDiff
//! ```
//!
//! `landfall build` reads the layers once, and the bundle's head carries the document. Bills and differences are pure
//! functions of heads.

pub mod diff;
mod document;
pub mod image;
pub mod limits;
mod package;
pub mod purl;
pub mod read;
pub mod sbom;
mod system;

pub use document::{
    ArtifactLicense, ChartEntry, FileLicense, INVENTORY_DOCUMENT_NAME, INVENTORY_DOCUMENT_TYPE, ImagePackages,
    InventoryDocument, ReadImage,
};
pub use image::{ImageInventory, UnreadFile};
pub use package::{Package, PackageKind};
pub use system::System;
