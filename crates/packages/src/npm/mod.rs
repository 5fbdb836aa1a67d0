//! npm packages: serves a release's packages to npm, pnpm and Yarn at a site without any other registry.
//!
//! ```text
//! tarballs ── inspect ── NpmList ──▶ signed in the bundle ──▶ Registry ── known names, versions and files
//!                                    tarballs on the node ──▶ Folder ── files, and package.json of each ── documents
//! ```
//!
//! Tarballs are hostile: they are read as streams within [`crate::limits`], nothing in them is unpacked to disk, and
//! only their `package.json` is examined. At a site, that file is valid only if it has the digest that the vendor
//! signed.

mod address;
mod archive;
mod document;
mod error;
mod list;
mod name;
mod package;
mod package_json;
mod registry;
mod request;
#[cfg(any(test, feature = "sample"))]
pub mod sample;
#[cfg(test)]
mod tests;
mod version;

pub use address::base;
pub use archive::package_json_in;
pub use document::{Packument, manifest};
pub use error::{NpmError, NpmFault};
pub use list::{NPM_LIST_NAME, NPM_LIST_TYPE, NpmList, part_name};
pub use name::{is_name, tarball_of};
pub use package::{NpmPackage, inspect, package_json_of};
pub use package_json::PackageJson;
pub use registry::{Registry, Versions};
pub use request::{Request, package_of_path};
pub use version::is_version;

/// Ending of every served tarball.
pub const TARBALL_ENDING: &str = ".tgz";
