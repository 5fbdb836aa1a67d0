//! Documents that a site sends to its vendor on a stick: a folder with the parts, and a manifest of their digests,
//! signed by the site's key. They are pure functions of bytes; `landfall-lifecycle` writes the files at a site.
//!
//! Threats: a part may be changed, omitted, added, or taken from another folder. The manifest states kind, size and
//! digest of each part, and lists missing ones with reasons. A manifest may come from another host: its reader names
//! the accepted keys. It may be truncated when the stick is removed: it is written last. Names may lead out of the
//! folder: the name of each part follows from its kind.

mod error;
mod inventory;
mod manifest;
mod part;
#[cfg(test)]
mod tests;

pub use error::CarryError;
pub use inventory::{INVENTORY_BYTES, InstalledRelease, PinnedRoot, SiteInventory};
pub use manifest::{CarryManifest, MANIFEST, MANIFEST_BYTES};
pub use part::{MissingPart, PartKind, PartRecord};
