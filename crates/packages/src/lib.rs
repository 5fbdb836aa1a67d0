//! The package index: serves a release's wheels to pip and uv, and its [npm packages](npm) to npm, pnpm and Yarn. The
//! site has no other source of packages.
//!
//! ```text
//! wheels ── inspect ── WheelList ──▶ signed in the bundle ──▶ Index ── pages (PEP 503, 691, 700, 714)
//!                                    wheels on the node ───▶ Folder ── files, and METADATA of each (PEP 658)
//! ```
//!
//! `landfall build` inspects each wheel and writes the list, so that a site's index states the digests that the vendor
//! signed, whatever is on the disk. Until then, wheels are hostile: their archives are read within [`limits`], nothing
//! in them is unpacked to disk, and only their `METADATA` is examined. A server opens only files in the list.

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
pub use name::normalize_name;
pub use rawzip::{FileReader, ReaderAt};
pub use wheel::{Wheel, inspect, metadata_of};
