//! The package index: what pip and uv read of a release's wheels, and npm, pnpm and Yarn of its [npm packages](npm), at a site that has
//! no other source of packages.
//!
//! ```text
//! wheels ── inspect ── WheelList ──▶ signed in the bundle ──▶ Index ── pages (PEP 503, 691, 700, 714)
//!                                    wheels on the node ───▶ Folder ── files, and METADATA of each (PEP 658)
//! ```
//!
//! `landfall build` inspects each wheel and writes the list, so that the index of a site states the digests that the vendor
//! signed, whatever the disk has. Wheels are hostile until then: their archives are read within [`limits`], nothing of
//! them is unpacked, and of what an archive says only its `METADATA` is looked at. A server opens files of the list alone.

mod archive;
mod error;
mod file_name;
mod folder;
pub mod http;
mod index;
pub mod limits;
mod list;
mod metadata;
mod name;
pub mod npm;
#[cfg(any(test, feature = "sample"))]
pub mod sample;
#[cfg(test)]
mod tests;
mod version;
mod wheel;

pub use error::{PackagesError, WheelFault};
pub use file_name::WheelName;
pub use folder::Folder;
pub use index::{API_VERSION, Body, Index, Page};
pub use list::{WHEEL_LIST_NAME, WHEEL_LIST_TYPE, WheelList};
pub use metadata::Metadata;
pub use name::normalized;
pub use rawzip::{FileReader, ReaderAt};
pub use wheel::{Wheel, inspect, metadata_of};
